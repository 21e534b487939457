import type { Run } from "../command.ts";
import { parseCount } from "../input.ts";
import { age, between, plain, size, state, table } from "../render.ts";
import { deploymentRow, eventRow, latestFirst, sourceWords } from "./describe.ts";

const NAMESPACE = "GET /api/v1/namespaces/:team/:namespace";
const MOST = { from: 1, to: 1_000 };

export const releases: Run = async (call) => {
  const { app, ...params } = await call.app(call.argument("app"));
  const client = await call.client();
  const count = parseCount(call.option("limit") ?? "20", "--limit", MOST);
  const [{ items }, live] = await Promise.all([
    client.list(`${NAMESPACE}/releases`, { params, query: { app } }, count),
    client.call(`${NAMESPACE}/apps/:name`, { params: { ...params, name: app } }),
  ]);
  call.show(items, () => {
    if (items.length === 0) return `${app} has no release yet: git push plimsoll main makes the first.`;
    const rows = items.map(({ spec, metadata }) => [
      `v${spec.number}${spec.number === live.status.release ? " (live)" : ""}`,
      `${age(metadata.createdAt)} ago`,
      plain(spec.createdBy),
      spec.source === undefined ? "–" : sourceWords(spec.source),
      spec.changed.map(plain).join(", "),
    ]);
    return table(rows, ["RELEASE", "MADE", "BY", "OF", "CHANGED"]);
  });
};

export const deployments: Run = async (call) => {
  const { app, ...params } = await call.app(call.argument("app"));
  const count = parseCount(call.option("limit") ?? "20", "--limit", MOST);
  const { items } = await (await call.client()).list(`${NAMESPACE}/deployments`, { params, query: { app } }, count);
  call.show(items, () =>
    items.length === 0
      ? `${app} was never deployed: git push plimsoll main`
      : table(items.map(deploymentRow), ["DEPLOYMENT", "RELEASE", "STATE", "BEGAN", "TOOK", "REASON", ""]),
  );
};

export const builds: Run = async (call) => {
  const { app, ...params } = await call.app(call.argument("app"));
  const count = parseCount(call.option("limit") ?? "20", "--limit", MOST);
  const { items } = await (await call.client()).list(`${NAMESPACE}/builds`, { params, query: { app } }, count);
  call.show(items, () => {
    if (items.length === 0) return `${app} was never built: git push plimsoll main`;
    const rows = items.map(({ spec, status, metadata }) => [
      String(spec.number),
      state(status.phase),
      `${age(metadata.createdAt)} ago`,
      between(status.startedAt, status.finishedAt),
      sourceWords(spec.source),
      status.image === undefined
        ? plain((status.message ?? "").split("\n")[0] ?? "")
        : `${size(status.newBytes ?? 0)} new${status.release === undefined ? "" : `, v${status.release}`}`,
    ]);
    return table(rows, ["BUILD", "STATE", "ASKED", "TOOK", "OF", ""]);
  });
};

export const events: Run = async (call) => {
  const named = call.argument("app");
  const place = named === undefined ? { ...(await call.place()), app: undefined } : await call.app(named);
  const { app, ...params } = place;
  const count = parseCount(call.option("limit") ?? "50", "--limit", MOST);
  const { items } = await (await call.client()).list(`${NAMESPACE}/events`, { params }, app === undefined ? count : 1_000);
  const wanted =
    app === undefined ? items : items.filter(({ spec: { regarding } }) => regarding.name === app || regarding.name.startsWith(`${app}-`));
  const shown = latestFirst(wanted).slice(0, count);
  call.show(shown, () => (shown.length === 0 ? "Nothing happened lately." : table(shown.map(eventRow), ["AGO", "WHAT", "HAPPENED", ""])));
};
