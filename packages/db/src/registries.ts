import { AppError, type RegistryAccess, RegistryCredential } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";
import { type Keyring, seal, unseal } from "./keyring.ts";

/** What may be shown of a namespace's access to a registry. */
export interface RegistryRecord {
  readonly registry: string;
  /** Present where there is a credential. */
  readonly username?: string;
  readonly mirrors: readonly string[];
  readonly changedAt: Date;
  readonly changedBy: string;
}

interface Place {
  readonly namespaceUid: string;
  readonly registry: string;
}

/** Of one namespace; as many as anybody needs, and a bound for what goes with each build. */
const MAX_REGISTRIES = 50;

/** What namespaces have for registries: credentials, sealed by the namespace's data key, and mirrors. */
export class Registries {
  readonly #client: AnyClient;
  readonly #keyring: Keyring;

  constructor(client: AnyClient, keyring: Keyring) {
    this.#client = client;
    this.#keyring = keyring;
  }

  /** By registry; no credential is among it. */
  async list(namespaceUid: string): Promise<readonly RegistryRecord[]> {
    const rows = await this.#client.registryAccess.findMany({ where: { namespaceUid }, orderBy: { registry: "asc" } });
    return rows.map(({ registry, username, mirrors, changedAt, changedBy }) => ({
      registry,
      ...(username === null ? {} : { username }),
      mirrors,
      changedAt,
      changedBy,
    }));
  }

  /** With credentials in clear: for the host that a build of the namespace was placed on, sealed to it. */
  async open(namespaceUid: string): Promise<RegistryAccess> {
    const rows = await this.#client.registryAccess.findMany({ where: { namespaceUid } });
    if (rows.length === 0) return {};
    const key = await this.#dataKey(namespaceUid);
    return Object.fromEntries(
      rows.map(({ registry, sealed, mirrors }) => {
        const plain = sealed === null ? undefined : unseal(key, sealed, context({ namespaceUid, registry })).toString("utf8");
        const credential = plain === undefined ? {} : { credential: RegistryCredential.parse(JSON.parse(plain)) };
        return [registry, { ...credential, ...(mirrors.length === 0 ? {} : { mirrors }) }];
      }),
    );
  }

  async putCredential(place: Place, credential: RegistryCredential, changedBy: string): Promise<void> {
    const key = await this.#dataKey(place.namespaceUid);
    const sealed = new Uint8Array(seal(key, Buffer.from(JSON.stringify(credential), "utf8"), context(place)));
    await this.#put(place, { username: credential.username, sealed }, changedBy);
  }

  /** An empty list: no mirrors. */
  async putMirrors(place: Place, mirrors: readonly string[], changedBy: string): Promise<void> {
    await this.#put(place, { mirrors: [...mirrors] }, changedBy);
    await this.#forgetEmpty(place);
  }

  /** False when there was none. */
  async removeCredential(place: Place, changedBy: string): Promise<boolean> {
    const { count } = await this.#client.registryAccess.updateMany({
      where: { ...place, sealed: { not: null } },
      data: { username: null, sealed: null, changedAt: new Date(), changedBy },
    });
    await this.#forgetEmpty(place);
    return count > 0;
  }

  async #put(
    place: Place,
    change: { readonly username?: string; readonly sealed?: Uint8Array<ArrayBuffer>; readonly mirrors?: string[] },
    changedBy: string,
  ): Promise<void> {
    const stamp = { changedAt: new Date(), changedBy };
    const { count } = await this.#client.registryAccess.updateMany({ where: place, data: { ...change, ...stamp } });
    if (count > 0) return;
    if ((await this.#client.registryAccess.count({ where: { namespaceUid: place.namespaceUid } })) >= MAX_REGISTRIES)
      throw new AppError("conflict", `A namespace has ${MAX_REGISTRIES} registries at most; take one away first.`, { retry: "never" });
    await this.#client.registryAccess.create({ data: { ...place, mirrors: [], ...change, ...stamp } });
  }

  async #forgetEmpty(place: Place): Promise<void> {
    await this.#client.registryAccess.deleteMany({ where: { ...place, sealed: null, mirrors: { isEmpty: true } } });
  }

  async #dataKey(namespaceUid: string): Promise<Buffer> {
    const row = await this.#client.dataKey.findUnique({ where: { namespaceUid } });
    if (!row) throw new AppError("not_found", "The namespace has no data key; was it deleted?");
    return this.#keyring.unwrap(namespaceUid, row.wrapped);
  }
}

function context({ namespaceUid, registry }: Place): string {
  return `registry ${namespaceUid}/${registry}`;
}
