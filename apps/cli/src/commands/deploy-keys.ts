import { basename } from "node:path";
import type { Run } from "../command.ts";
import { age, plain, table } from "../render.ts";
import { one, readPublicKey } from "./account.ts";

const KEYS = "/api/v1/namespaces/:team/:namespace/apps/:app/deploy-keys";

export const deployKeys: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const { items } = await (await call.client()).call(`GET ${KEYS}`, { params: { ...place, app } });
  call.show(items, () =>
    items.length === 0
      ? `${app} has no deploy key: plim deploy-keys add ${app} ci.pub`
      : table(
          items.map(({ id, name, fingerprint, access, addedBy, createdAt }) => [
            plain(name),
            access === "write" ? "fetch and push" : "fetch",
            fingerprint,
            `${age(createdAt)} ago by ${plain(addedBy)}`,
            id,
          ]),
          ["KEY", "MAY", "FINGERPRINT", "ADDED", "ID"],
        ),
  );
};

export const deployKeysAdd: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const file = call.argument("file") ?? "-";
  const publicKey = await readPublicKey(file);
  const comment = publicKey.split(/\s+/).slice(2).join(" ");
  const name = (call.option("name") ?? (comment === "" ? basename(file).replace(/\.pub$/, "") : comment)).slice(0, 100);
  const body = { name, publicKey, access: call.has("write") ? ("write" as const) : ("read" as const) };
  const added = await (await call.client()).call(`POST ${KEYS}`, { params: { ...place, app }, body });
  call.show(
    added,
    () => `Added ${plain(added.name)}, ${added.fingerprint}: it may ${added.access === "write" ? "fetch and push" : "fetch"}`,
  );
};

export const deployKeysRemove: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const client = await call.client();
  const params = { ...place, app };
  const { items } = await client.call(`GET ${KEYS}`, { params });
  const names = ({ id, name, fingerprint }: (typeof items)[number]) => [id, name, fingerprint];
  const key = one(items, call.argument("key") ?? "", names, "deploy key", `plim deploy-keys ${app}`);
  await client.call(`DELETE ${KEYS}/:id`, { params: { ...params, id: key.id } });
  call.show(key, () => `Removed ${plain(key.name)}, ${key.fingerprint}`);
};
