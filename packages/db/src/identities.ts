import { createHash } from "node:crypto";
import { AppError, newSecret, newUid, type Role } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";
import type { SshKey } from "./generated/client.ts";
import type { HostRole } from "./host-admissions.ts";

export type TokenKind = "session" | "api" | "claim" | "enroll" | "host" | "build";

export interface UserRecord {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly operator: boolean;
  readonly memberships: readonly { readonly teamUid: string; readonly role: Role }[];
}

export interface TokenRecord {
  readonly id: string;
  readonly kind: TokenKind;
  readonly name: string;
  readonly userId?: string;
  readonly subject?: string;
  /** What a host that enrolls with it may be; of other tokens empty. */
  readonly roles: readonly HostRole[];
  readonly createdAt: Date;
  readonly expiresAt?: Date;
  readonly usedAt?: Date;
}

export interface DeployKey {
  readonly appUid: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly access: "read" | "write";
  readonly addedBy: string;
}

export interface DeployKeyRecord extends DeployKey {
  readonly id: string;
  readonly createdAt: Date;
}

/** Users, memberships, SSH keys and tokens. Tokens are stored as SHA-256 only: they are random, so a slow hash adds nothing. */
export class Identities {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  async createUser(user: { name: string; email: string; passwordHash: string; operator: boolean }): Promise<UserRecord> {
    const email = user.email.toLowerCase();
    if (await this.#client.user.findUnique({ where: { email } }))
      throw new AppError("conflict", "This e-mail address has an account already; log in instead.", { retry: "never" });
    const row = await this.#client.user.create({ data: { ...user, email, id: newUid("user") } });
    return { id: row.id, name: row.name, email: row.email, operator: row.operator, memberships: [] };
  }

  /** People who administer the platform: none until somebody has claimed it. */
  async countOperators(): Promise<number> {
    return this.#client.user.count({ where: { operator: true } });
  }

  async user(id: string): Promise<UserRecord | undefined> {
    const row = await this.#client.user.findUnique({ where: { id }, include: { memberships: true } });
    if (!row) return undefined;
    return {
      id: row.id,
      name: row.name,
      email: row.email,
      operator: row.operator,
      memberships: row.memberships.map(({ teamUid, role }) => ({ teamUid, role: role as Role })),
    };
  }

  /** The user's id and password hash, for login. */
  async credentials(email: string): Promise<{ readonly id: string; readonly passwordHash: string } | undefined> {
    const row = await this.#client.user.findUnique({ where: { email: email.toLowerCase() } });
    return row ? { id: row.id, passwordHash: row.passwordHash } : undefined;
  }

  async setMembership(userId: string, teamUid: string, role: Role): Promise<void> {
    await this.#client.membership.upsert({
      where: { userId_teamUid: { userId, teamUid } },
      create: { userId, teamUid, role },
      update: { role },
    });
  }

  async removeMembership(userId: string, teamUid: string): Promise<void> {
    await this.#client.membership.deleteMany({ where: { userId, teamUid } });
  }

  /** Who may raise a team's quota: for messages. */
  async ownersOf(teamUid: string): Promise<readonly { readonly name: string; readonly email: string }[]> {
    const rows = await this.#client.membership.findMany({ where: { teamUid, role: "owner" }, include: { user: true }, take: 3 });
    return rows.map((row) => ({ name: row.user.name, email: row.user.email }));
  }

  /** Makes a token and answers its secret, which is stored nowhere. */
  async createToken(token: {
    kind: TokenKind;
    userId?: string;
    subject?: string;
    name?: string;
    roles?: readonly HostRole[];
    ttlMs?: number;
    secret?: string;
  }): Promise<{ readonly id: string; readonly secret: string }> {
    const secret = token.secret ?? `plim_${token.kind}_${newSecret()}`;
    const id = newUid("tok");
    await this.#client.token.create({
      data: {
        id,
        hash: hashToken(secret),
        kind: token.kind,
        userId: token.userId ?? null,
        subject: token.subject ?? null,
        name: token.name ?? "",
        roles: [...(token.roles ?? [])],
        expiresAt: token.ttlMs === undefined ? null : new Date(Date.now() + token.ttlMs),
      },
    });
    return { id, secret };
  }

  /** The token of this secret when it is of one of the kinds and not expired. */
  async findToken(secret: string, kinds: readonly TokenKind[]): Promise<TokenRecord | undefined> {
    const row = await this.#client.token.findUnique({ where: { hash: hashToken(secret) } });
    if (!row || !kinds.includes(row.kind as TokenKind)) return undefined;
    if (row.expiresAt !== null && row.expiresAt.getTime() <= Date.now()) return undefined;
    return toToken(row);
  }

  /** Uses a one-time token: true for exactly one of several concurrent callers. */
  async consumeToken(secret: string, kind: TokenKind): Promise<boolean> {
    const { count } = await this.#client.token.deleteMany({
      where: { hash: hashToken(secret), kind, OR: [{ expiresAt: null }, { expiresAt: { gt: new Date() } }] },
    });
    return count > 0;
  }

  async touchToken(id: string): Promise<void> {
    await this.#client.token.updateMany({ where: { id }, data: { usedAt: new Date() } });
  }

  /** Used now, and valid for `ttlMs` from now: a sliding session. */
  async prolongToken(id: string, ttlMs: number): Promise<void> {
    await this.#client.token.updateMany({ where: { id }, data: { usedAt: new Date(), expiresAt: new Date(Date.now() + ttlMs) } });
  }

  /** Ties a token to the one subject that may use it from now on; false when it is another's already. Idempotent. */
  async bindToken(id: string, subject: string): Promise<boolean> {
    const { count } = await this.#client.token.updateMany({ where: { id, OR: [{ subject: null }, { subject }] }, data: { subject } });
    return count > 0;
  }

  async listTokens(userId: string, kind: TokenKind): Promise<readonly TokenRecord[]> {
    return (await this.#client.token.findMany({ where: { userId, kind }, orderBy: { createdAt: "asc" } })).map(toToken);
  }

  async countTokens(kind: TokenKind): Promise<number> {
    return this.#client.token.count({ where: { kind, OR: [{ expiresAt: null }, { expiresAt: { gt: new Date() } }] } });
  }

  /** Removes a user's token; false when there was none. */
  async removeToken(userId: string, id: string): Promise<boolean> {
    return (await this.#client.token.deleteMany({ where: { userId, id } })).count > 0;
  }

  async removeTokensOf(kind: TokenKind, subject?: string): Promise<void> {
    await this.#client.token.deleteMany({ where: { kind, ...(subject === undefined ? {} : { subject }) } });
  }

  /** Removes the tokens of a kind that carry this name. */
  async removeTokensNamed(kind: TokenKind, name: string): Promise<void> {
    await this.#client.token.deleteMany({ where: { kind, name } });
  }

  async removeBySecret(secret: string): Promise<void> {
    await this.#client.token.deleteMany({ where: { hash: hashToken(secret) } });
  }

  async addSshKey(key: { userId: string; name: string; fingerprint: string; publicKey: string }) {
    if (await this.#client.sshKey.findUnique({ where: { fingerprint: key.fingerprint } })) throw keyInUse();
    return this.#client.sshKey.create({ data: { ...key, id: newUid("key") } });
  }

  /** A key of one app. AppError `conflict` when it is anybody's already, or another app's: who comes with it must be certain. */
  async addDeployKey(key: DeployKey & { readonly publicKey: string }): Promise<DeployKeyRecord> {
    if (await this.#client.sshKey.findUnique({ where: { fingerprint: key.fingerprint } })) throw keyInUse();
    return toDeployKey(await this.#client.sshKey.create({ data: { ...key, id: newUid("key") } }));
  }

  async listDeployKeys(appUid: string): Promise<readonly DeployKeyRecord[]> {
    return (await this.#client.sshKey.findMany({ where: { appUid }, orderBy: { createdAt: "asc" } })).map(toDeployKey);
  }

  async removeDeployKey(appUid: string, id: string): Promise<boolean> {
    return (await this.#client.sshKey.deleteMany({ where: { appUid, id } })).count > 0;
  }

  /** Those of an app that is gone. */
  async removeDeployKeys(appUid: string): Promise<void> {
    await this.#client.sshKey.deleteMany({ where: { appUid } });
  }

  /** The app whose key has this fingerprint. */
  async deployKey(fingerprint: string): Promise<DeployKeyRecord | undefined> {
    const key = await this.#client.sshKey.findUnique({ where: { fingerprint } });
    return key?.appUid ? toDeployKey(key) : undefined;
  }

  async listSshKeys(userId: string) {
    return this.#client.sshKey.findMany({ where: { userId }, orderBy: { createdAt: "asc" } });
  }

  async removeSshKey(userId: string, id: string): Promise<boolean> {
    return (await this.#client.sshKey.deleteMany({ where: { userId, id } })).count > 0;
  }

  /** Whose key has this fingerprint (`SHA256:…`). */
  async userOfSshKey(fingerprint: string): Promise<UserRecord | undefined> {
    const key = await this.#client.sshKey.findUnique({ where: { fingerprint } });
    return key?.userId ? this.user(key.userId) : undefined;
  }
}

function keyInUse(): AppError {
  const message = "This key is in use already: every key belongs to one account or to one app. Make another: ssh-keygen -t ed25519";
  return new AppError("conflict", message, { retry: "never" });
}

function toDeployKey(row: SshKey): DeployKeyRecord {
  const { id, name, fingerprint, addedBy, createdAt } = row;
  return { id, appUid: row.appUid ?? "", name, fingerprint, access: row.access === "write" ? "write" : "read", addedBy, createdAt };
}

export function hashToken(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function toToken(row: {
  id: string;
  kind: string;
  name: string;
  roles: string[];
  userId: string | null;
  subject: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  usedAt: Date | null;
}): TokenRecord {
  return {
    id: row.id,
    kind: row.kind as TokenKind,
    name: row.name,
    roles: row.roles as HostRole[],
    createdAt: row.createdAt,
    ...(row.userId === null ? {} : { userId: row.userId }),
    ...(row.subject === null ? {} : { subject: row.subject }),
    ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt }),
    ...(row.usedAt === null ? {} : { usedAt: row.usedAt }),
  };
}
