import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { AppError } from "@plimsoll/core/errors";
import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { parseCount, readValue } from "../input.ts";
import { age, plain, table } from "../render.ts";
import { ownPublicKey } from "../ssh-keys.ts";

export const keys: Run = async (call) => {
  const { items } = await (await call.client()).call("GET /api/v1/ssh-keys", {});
  call.show(items, () =>
    items.length === 0
      ? "You have no SSH key here: plim keys add"
      : table(
          items.map(({ id, name, fingerprint, createdAt }) => [plain(name), fingerprint, `${age(createdAt)} ago`, id]),
          ["KEY", "FINGERPRINT", "ADDED", "ID"],
        ),
  );
};

export const keysAdd: Run = async (call) => {
  const path = call.argument("file") ?? ownPublicKey();
  if (path === undefined)
    throw usageError("There is no public key in ~/.ssh: make one with ssh-keygen -t ed25519, or name a file.", "keys add");
  const publicKey = await readPublicKey(path);
  const name = (call.option("name") ?? hostname()).slice(0, 100);
  const added = await (await call.client()).call("POST /api/v1/ssh-keys", { body: { name, publicKey } });
  call.show(added, () => `Added ${plain(added.name)}, ${added.fingerprint}`);
};

/** The text of a .pub file, - for standard input. */
export async function readPublicKey(path: string): Promise<string> {
  const publicKey = (path === "-" ? await readValue("-") : await readFile(path, "utf8").catch(cannotRead(path))).trim();
  if (publicKey.includes("PRIVATE KEY"))
    throw new AppError("invalid", `${path} is the private half, which stays with you; give the .pub file.`, { details: { usage: true } });
  return publicKey;
}

function cannotRead(path: string) {
  return (cause: unknown): never => {
    throw new AppError("invalid", `${path} cannot be read.`, { cause, details: { usage: true } });
  };
}

export const keysRemove: Run = async (call) => {
  const client = await call.client();
  const wanted = call.argument("key") ?? "";
  const { items } = await client.call("GET /api/v1/ssh-keys", {});
  const key = one(items, wanted, ({ id, name, fingerprint }) => [id, name, fingerprint], "SSH key", "plim keys");
  await client.call("DELETE /api/v1/ssh-keys/:id", { params: { id: key.id } });
  call.show(key, () => `Removed ${plain(key.name)}, ${key.fingerprint}`);
};

export const tokens: Run = async (call) => {
  const { items } = await (await call.client()).call("GET /api/v1/tokens", {});
  call.show(items, () =>
    table(
      items.map(({ id, name, createdAt, expiresAt, lastUsedAt }) => [
        plain(name),
        `${age(createdAt)} ago`,
        lastUsedAt === undefined ? "never" : `${age(lastUsedAt)} ago`,
        expiresAt === undefined ? "never" : expiresAt.slice(0, 10),
        id,
      ]),
      ["TOKEN", "MADE", "USED", "EXPIRES", "ID"],
    ),
  );
};

export const tokensCreate: Run = async (call) => {
  const days = call.option("days");
  const expiresInDays = days === undefined ? {} : { expiresInDays: parseCount(days, "--days", { from: 1, to: 365 }) };
  const made = await (await call.client()).call("POST /api/v1/tokens", { body: { name: call.argument("name") ?? "", ...expiresInDays } });
  call.note("It is shown this once:");
  call.show(made, () => made.secret);
};

export const tokensRevoke: Run = async (call) => {
  const client = await call.client();
  const { items } = await client.call("GET /api/v1/tokens", {});
  const token = one(items, call.argument("token") ?? "", ({ id, name }) => [id, name], "token", "plim tokens");
  await client.call("DELETE /api/v1/tokens/:id", { params: { id: token.id } });
  call.show(token, () => `Revoked ${plain(token.name)}.`);
};

export function one<T>(items: readonly T[], wanted: string, namesOf: (item: T) => readonly string[], what: string, lister: string): T {
  const found = items.filter((item) => namesOf(item).includes(wanted));
  if (found.length === 1 && found[0] !== undefined) return found[0];
  if (found.length === 0) throw new AppError("not_found", `There is no ${what} ${wanted}; ${lister} lists them.`);
  throw new AppError("conflict", `${found.length} of them are called ${wanted}; take the id that ${lister} shows.`);
}
