import { AppError } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";
import { type Keyring, seal, unseal } from "./keyring.ts";

/** Values that only an authorised reveal and the host of a bound instance may read (invariant 9). */
export class Secrets {
  readonly #client: AnyClient;
  readonly #keyring: Keyring;

  constructor(client: AnyClient, keyring: Keyring) {
    this.#client = client;
    this.#keyring = keyring;
  }

  /** Makes the namespace's data key; once, when the namespace is made. */
  async createDataKey(namespaceUid: string): Promise<void> {
    const { wrapped } = this.#keyring.newDataKey(namespaceUid);
    await this.#client.dataKey.create({ data: { namespaceUid, wrapped: new Uint8Array(wrapped) } });
  }

  /** Stores a new version of a secret and answers its number. Concurrent writers of one app must hold its row. */
  async put(namespaceUid: string, appUid: string, name: string, value: string): Promise<number> {
    const last = await this.#client.secret.findFirst({ where: { appUid, name }, orderBy: { version: "desc" }, select: { version: true } });
    const version = (last?.version ?? 0) + 1;
    const key = await this.#dataKey(namespaceUid);
    const sealed = seal(key, Buffer.from(value, "utf8"), context(appUid, name, version));
    await this.#client.secret.create({ data: { appUid, name, version, sealed: new Uint8Array(sealed) } });
    return version;
  }

  /** The values of these versions; `not_found` when one is missing. */
  async open(namespaceUid: string, appUid: string, versions: Readonly<Record<string, number>>): Promise<Record<string, string>> {
    const wanted = Object.entries(versions);
    if (wanted.length === 0) return {};
    const rows = await this.#client.secret.findMany({ where: { appUid, OR: wanted.map(([name, version]) => ({ name, version })) } });
    const key = await this.#dataKey(namespaceUid);
    const values: Record<string, string> = {};
    for (const [name, version] of wanted) {
      const row = rows.find((candidate) => candidate.name === name && candidate.version === version);
      if (!row) throw new AppError("not_found", `Secret ${name} (version ${version}) does not exist; set it again.`);
      values[name] = unseal(key, row.sealed, context(appUid, name, version)).toString("utf8");
    }
    return values;
  }

  /** Stores the only version of a value: what was there under the name before is gone. */
  async replace(namespaceUid: string, appUid: string, name: string, value: string): Promise<void> {
    await this.removeNamed(appUid, [name]);
    await this.put(namespaceUid, appUid, name, value);
  }

  /** What replace stored; undefined when there is nothing. */
  async openOnly(namespaceUid: string, appUid: string, name: string): Promise<string | undefined> {
    const row = await this.#client.secret.findFirst({ where: { appUid, name } });
    if (!row) return undefined;
    return unseal(await this.#dataKey(namespaceUid), row.sealed, context(appUid, name, row.version)).toString("utf8");
  }

  async removeNamed(appUid: string, names: readonly string[]): Promise<void> {
    await this.#client.secret.deleteMany({ where: { appUid, name: { in: [...names] } } });
  }

  async removeAll(appUid: string): Promise<void> {
    await this.#client.secret.deleteMany({ where: { appUid } });
  }

  async #dataKey(namespaceUid: string): Promise<Buffer> {
    const row = await this.#client.dataKey.findUnique({ where: { namespaceUid } });
    if (!row) throw new AppError("not_found", "The namespace has no data key; was it deleted?");
    return this.#keyring.unwrap(namespaceUid, row.wrapped);
  }
}

function context(appUid: string, name: string, version: number): string {
  return `${appUid}/${name}/${version}`;
}
