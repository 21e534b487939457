import { AppError } from "@plimsoll/core/errors";
import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { readValue } from "../input.ts";
import { table } from "../render.ts";

const SECRET = "/api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name";

export const secrets: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const found = await (await call.client()).call("GET /api/v1/namespaces/:team/:namespace/apps/:name", { params: { ...place, name: app } });
  const names = Object.entries(found.spec.secrets).sort(([a], [b]) => (a < b ? -1 : 1));
  call.show(
    names.map(([name, version]) => ({ name, version })),
    () =>
      names.length === 0
        ? `${app} has no secrets: plim secrets set ${app} NAME`
        : table(
            names.map(([name, version]) => [name, `version ${version}`]),
            ["SECRET", ""],
          ),
  );
};

export const secretsSet: Run = async (call) => {
  const name = call.argument("NAME") ?? "";
  if (name.includes("="))
    throw usageError(
      "The value does not belong on the command line, where the shell's history keeps it: it is read from standard input or --from.",
      "secrets set",
    );
  const place = await call.app(call.argument("app"));
  const value = await readValue(call.option("from") ?? "-");
  if (value === "")
    throw new AppError("invalid", `The value of ${name} is empty; plim secrets unset ${place.app} ${name} removes it.`, {
      details: { usage: true },
    });
  await (await call.client()).call(`PUT ${SECRET}`, { params: { ...place, name }, body: { value } });
  call.show({ ...place, secret: name }, () => `${place.app}: secret ${name} is set.`);
};

export const secretsReveal: Run = async (call) => {
  const name = call.argument("NAME") ?? "";
  const place = await call.app(call.argument("app"));
  const { value } = await (await call.client()).call(`POST ${SECRET}/reveal`, { params: { ...place, name } });
  call.show({ name, value }, () => value);
};

export const secretsUnset: Run = async (call) => {
  const place = await call.app(call.argument("app"));
  const client = await call.client();
  for (const name of call.all("NAME")) await client.call(`DELETE ${SECRET}`, { params: { ...place, name } });
  call.show({ ...place, removed: call.all("NAME") }, () => `${place.app}: removed ${call.all("NAME").join(", ")}.`);
};
