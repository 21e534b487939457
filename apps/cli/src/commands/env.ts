import type { Resource } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import type { AppPlace } from "../place.ts";
import { plain, table } from "../render.ts";

const ONE = "/api/v1/namespaces/:team/:namespace/apps/:name";
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** `plim env shop` lists, `plim env shop A=1 B=` sets A and removes B. */
export const env: Run = (call) =>
  call.all("NAME=value").length === 0 ? list(call) : change(call, parseAssignments(call.all("NAME=value"), true));

export const envSet: Run = (call) => change(call, parseAssignments(call.all("NAME=value"), false));

export const envUnset: Run = async (call) => {
  const names = call.all("NAME");
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong !== undefined) throw usageError(`\`${wrong}\` is no name of a variable.`, "env unset");
  const { app, spec } = await read(call);
  const missing = names.filter((name) => spec.spec.env[name] === undefined);
  if (missing.length > 0) {
    const secret = missing.find((name) => spec.spec.secrets[name] !== undefined);
    const hint =
      secret === undefined ? `plim env ${app.app} lists what there is` : `${secret} is a secret: plim secrets unset ${app.app} ${secret}`;
    throw new AppError("not_found", `${app.app} has no variable ${missing.join(", ")}; ${hint}.`);
  }
  await change(call, Object.fromEntries(names.map((name) => [name, null])));
};

async function list(call: Call): Promise<void> {
  const { app, spec } = await read(call);
  show(call, app, spec);
}

async function read(call: Call): Promise<{ app: AppPlace; spec: Resource<"App"> }> {
  const app = await call.app(call.argument("app"));
  const { team, namespace } = app;
  return { app, spec: await (await call.client()).call(`GET ${ONE}`, { params: { team, namespace, name: app.app } }) };
}

async function change(call: Call, values: Readonly<Record<string, string | null>>): Promise<void> {
  const app = await call.app(call.argument("app"));
  const client = await call.client();
  const changed = await client.call("PATCH /api/v1/namespaces/:team/:namespace/apps/:app", {
    params: { ...app },
    body: { env: { ...values } },
  });
  show(call, app, changed);
  const { appFile } = changed.spec;
  const others = Object.keys(values).filter((name) => appFile?.env.includes(name));
  if (others.length > 0) call.note(`The next push sets ${others.join(", ")} as ${appFile?.path} says; change it there to keep it.`);
  if (changed.status.release !== undefined) call.note(`A live app gets a new release: plim deployments ${app.app}`);
}

function show(call: Call, { app }: AppPlace, { spec }: Resource<"App">): void {
  call.show({ env: spec.env, secrets: Object.keys(spec.secrets) }, () => {
    const rows = [
      ...Object.entries(spec.env).map(([name, value]) => [name, plain(value)]),
      ...Object.keys(spec.secrets).map((name) => [name, "(secret)"]),
    ].sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
    return rows.length === 0 ? `${app} has no variables: plim env set ${app} NAME=value` : table(rows, ["NAME", "VALUE"]);
  });
}

function parseAssignments(texts: readonly string[], emptyRemoves: boolean): Record<string, string | null> {
  const entries = texts.map((text): [string, string | null] => {
    const at = text.indexOf("=");
    const [name, value] = [text.slice(0, at), text.slice(at + 1)];
    if (at < 1 || !NAME.test(name)) throw usageError(`\`${text}\` is no NAME=value; names are letters, digits and _.`, "env set");
    return [name, value === "" && emptyRemoves ? null : value];
  });
  return Object.fromEntries(entries);
}
