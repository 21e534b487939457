import type { Run } from "../command.ts";
import { age, plain, table } from "../render.ts";

export const branches: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const client = await call.client();
  const found = await client.call("GET /api/v1/namespaces/:team/:namespace/apps/:app/branches", { params: { ...place, app } });
  call.show(found.items, () => {
    if (found.items.length === 0) return `${app} has no branch yet: git push plimsoll main`;
    const rows = found.items.map(({ kind, name, commit, subject, author, committedAt, deployed, live }) => [
      `${kind === "tag" ? "tag " : ""}${plain(name)}`,
      commit.slice(0, 7),
      committedAt === undefined ? "–" : `${age(committedAt)} ago`,
      plain(author),
      [live ? "live" : "", deployed ? "pushes deploy it" : ""].filter(Boolean).join(", "),
      plain(subject),
    ]);
    const listed = table(rows, ["BRANCH", "COMMIT", "MADE", "BY", "", ""]);
    return found.more ? `${listed}\nThere are more; git ls-remote plimsoll lists all.` : listed;
  });
};
