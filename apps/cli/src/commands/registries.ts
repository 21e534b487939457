import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { ask, readValue } from "../input.ts";
import { age, plain, table } from "../render.ts";

const REGISTRIES = "/api/v1/namespaces/:team/:namespace/registries";
const ONE = `${REGISTRIES}/:registry` as const;

export const registries: Run = async (call) => {
  const place = await call.place();
  const { items } = await (await call.client()).call(`GET ${REGISTRIES}`, { params: { ...place } });
  call.show(items, () => {
    if (items.length === 0)
      return "Images are pulled with no user name and from no mirror: plim registries set registry.example --user NAME";
    const rows = items.map(({ registry, username, mirrors, changedAt, changedBy }) => [
      registry,
      username === undefined ? "–" : plain(username),
      mirrors.join(", ") || "–",
      `${age(changedAt)} ago by ${plain(changedBy)}`,
    ]);
    return table(rows, ["REGISTRY", "USER", "MIRRORS", "CHANGED"]);
  });
};

export const registriesSet: Run = async (call) => {
  const registry = call.argument("registry") ?? "";
  const username = call.option("user");
  if (username === undefined)
    throw usageError("Which user? Give --user NAME; a token goes with the name its registry asks for.", "registries set");
  if (username.includes(":"))
    throw usageError("The password does not belong on the command line: it is read from standard input or --from.", "registries set");
  const from = call.option("from");
  const typed = from === undefined && process.stdin.isTTY;
  const password = typed
    ? await ask(`Password or token of ${username} at ${registry}: `, { hidden: true, instead: "--from", command: "registries set" })
    : await readValue(from ?? "-");
  if (password === "") throw usageError(`The password is empty; \`plim registries unset ${registry}\` takes one away.`, "registries set");
  const place = await call.place();
  await (await call.client()).call(`PUT ${ONE}/credential`, { params: { ...place, registry }, body: { username, password } });
  call.show({ ...place, registry, username }, () => `${place.team}/${place.namespace} pulls from ${registry} as ${username} from now on.`);
};

export const registriesUnset: Run = async (call) => {
  const registry = call.argument("registry") ?? "";
  const place = await call.place();
  await (await call.client()).call(`DELETE ${ONE}/credential`, { params: { ...place, registry } });
  call.show({ ...place, registry }, () => `${place.team}/${place.namespace} pulls from ${registry} as nobody from now on.`);
};

export const registriesMirror: Run = async (call) => {
  const registry = call.argument("registry") ?? "";
  const mirrors = [...call.all("mirror")];
  const place = await call.place();
  await (await call.client()).call(`PUT ${ONE}/mirrors`, { params: { ...place, registry }, body: { mirrors } });
  call.show({ ...place, registry, mirrors }, () =>
    mirrors.length === 0 ? `${registry} is asked itself from now on.` : `${registry}: ${mirrors.join(", then ")} asked first from now on.`,
  );
};
