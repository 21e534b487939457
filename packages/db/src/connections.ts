import type { AnyClient } from "./client.ts";
import type { Connection } from "./generated/client.ts";

export type Provider = "github" | "gitlab" | "gitea" | "plain";

/** A Git repository elsewhere that an app is deployed from. */
export interface ConnectionRecord {
  readonly appUid: string;
  readonly url: string;
  readonly branch: string;
  readonly provider: Provider;
  readonly auth: "none" | "token" | "key";
  readonly publicKey?: string;
  readonly knownHosts: string;
  readonly hookId: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly wantedAt?: Date;
  readonly lookedAt?: Date;
  readonly failure?: string;
  readonly commit?: string;
  readonly buildUid?: string;
  readonly reported?: string;
  readonly unreported?: string;
}

/** Names of a connection's sealed values among its app's secrets: no environment variable is called so. */
export const CONNECTION_CREDENTIAL = "connection/credential";
export const CONNECTION_HOOK = "connection/hook";

/** Connections of apps; one each. */
export class Connections {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  async find(appUid: string): Promise<ConnectionRecord | undefined> {
    const row = await this.#client.connection.findUnique({ where: { appUid } });
    return row ? toConnection(row) : undefined;
  }

  async byHook(hookId: string): Promise<ConnectionRecord | undefined> {
    const row = await this.#client.connection.findUnique({ where: { hookId } });
    return row ? toConnection(row) : undefined;
  }

  async uids(): Promise<readonly string[]> {
    return (await this.#client.connection.findMany({ select: { appUid: true } })).map(({ appUid }) => appUid);
  }

  /** In the place of any that the app had. */
  async put(
    connection: Pick<ConnectionRecord, "appUid" | "url" | "branch" | "provider" | "auth" | "hookId" | "createdBy"> & {
      readonly publicKey?: string;
    },
  ): Promise<ConnectionRecord> {
    await this.#client.connection.deleteMany({ where: { appUid: connection.appUid } });
    const { publicKey = null, ...rest } = connection;
    return toConnection(await this.#client.connection.create({ data: { ...rest, publicKey, wantedAt: new Date() } }));
  }

  async remove(appUid: string): Promise<boolean> {
    return (await this.#client.connection.deleteMany({ where: { appUid } })).count > 0;
  }

  /** A look is asked for. */
  async want(appUid: string, at: Date): Promise<void> {
    await this.#client.connection.updateMany({ where: { appUid }, data: { wantedAt: at } });
  }

  /** Changes what was found out; of a connection that was replaced meanwhile nothing. */
  async note(
    { appUid, hookId }: Pick<ConnectionRecord, "appUid" | "hookId">,
    change: {
      readonly lookedAt?: Date;
      readonly failure?: string | null;
      readonly knownHosts?: string;
      readonly commit?: string;
      readonly buildUid?: string | null;
      readonly reported?: string | null;
      readonly unreported?: string | null;
    },
  ): Promise<void> {
    await this.#client.connection.updateMany({ where: { appUid, hookId }, data: change });
  }
}

function toConnection(row: Connection): ConnectionRecord {
  const { publicKey, wantedAt, lookedAt, failure, commit, buildUid, reported, unreported, ...rest } = row;
  return {
    ...rest,
    provider: row.provider as Provider,
    auth: row.auth as ConnectionRecord["auth"],
    ...(publicKey === null ? {} : { publicKey }),
    ...(wantedAt === null ? {} : { wantedAt }),
    ...(lookedAt === null ? {} : { lookedAt }),
    ...(failure === null ? {} : { failure }),
    ...(commit === null ? {} : { commit }),
    ...(buildUid === null ? {} : { buildUid }),
    ...(reported === null ? {} : { reported }),
    ...(unreported === null ? {} : { unreported }),
  };
}
