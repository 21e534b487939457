import {
  AppError,
  type Kind,
  type Metadata,
  newUid,
  PLATFORM_SCOPE,
  RESOURCES,
  type Resource,
  type Spec,
  type Status,
  scopeLevel,
} from "@plimsoll/core";
import type { AnyClient } from "./client.ts";
import { type Prisma, type Object as Row, Prisma as Sql } from "./generated/client.ts";
import { notFound, objectFilter, type TenantScope } from "./scope.ts";
import type { Changes } from "./unit-of-work.ts";

export interface ListOptions {
  /** uid of the namespace or team that holds them; absent: everywhere the scope reaches. */
  readonly in?: string;
  readonly ownerUid?: string;
  readonly hostUid?: string;
  readonly names?: readonly string[];
  readonly uids?: readonly string[];
  readonly phases?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Page size; default all. */
  readonly limit?: number;
  /** Uid after which the page begins. */
  readonly after?: string;
  readonly newestFirst?: boolean;
}

/** As much of a namespace as an object in it needs. */
export interface NamespaceRef {
  readonly metadata: Pick<Metadata, "uid" | "name" | "team" | "teamUid">;
}

export interface NewObject<K extends Kind> {
  readonly kind: K;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: Spec<K>;
  readonly status: Status<K>;
  readonly ownerUid?: string;
  readonly finalizers?: readonly string[];
  /** The team or namespace that holds it; absent for platform objects. */
  readonly team?: Resource<"Team">;
  readonly namespace?: NamespaceRef;
}

const PREFIX: Record<Kind, string> = {
  Team: "team",
  Host: "host",
  Namespace: "ns",
  App: "app",
  Build: "bld",
  Release: "rel",
  Deployment: "dep",
  Instance: "ins",
  Route: "rte",
  Event: "evt",
};

/** Reads of objects, inside one tenant scope. Usable on the pool or in a transaction. */
export class ObjectReader {
  protected readonly client: AnyClient;
  protected readonly scope: TenantScope;

  constructor(client: AnyClient, scope: TenantScope) {
    this.client = client;
    this.scope = scope;
  }

  /** The object with this uid, or undefined. */
  async find<K extends Kind>(kind: K, uid: string): Promise<Resource<K> | undefined> {
    const row = await this.client.object.findFirst({ where: { ...objectFilter(this.scope), uid, kind } });
    return row ? toResource<K>(row) : undefined;
  }

  /** The object with this uid; `not_found` when there is none in the scope. */
  async get<K extends Kind>(kind: K, uid: string): Promise<Resource<K>> {
    const found = await this.find(kind, uid);
    if (!found) throw notFound(kind, uid);
    return found;
  }

  /** The object of this name in a namespace, team or (`platform`) the platform, or undefined. */
  async findByName<K extends Kind>(kind: K, holderUid: string, name: string): Promise<Resource<K> | undefined> {
    const row = await this.client.object.findFirst({ where: { ...objectFilter(this.scope), kind, scopeUid: holderUid, name } });
    return row ? toResource<K>(row) : undefined;
  }

  /** As findByName; `not_found` when there is none in the scope. */
  async getByName<K extends Kind>(kind: K, holderUid: string, name: string): Promise<Resource<K>> {
    const found = await this.findByName(kind, holderUid, name);
    if (!found) throw notFound(kind, name);
    return found;
  }

  /** Objects of a kind, by uid (which is by age), filtered and paged. */
  async list<K extends Kind>(kind: K, options: ListOptions = {}): Promise<readonly Resource<K>[]> {
    const where: Prisma.ObjectWhereInput = { ...objectFilter(this.scope), kind };
    if (options.in !== undefined) where.scopeUid = options.in;
    if (options.ownerUid !== undefined) where.ownerUid = options.ownerUid;
    if (options.hostUid !== undefined) where.hostUid = options.hostUid;
    if (options.names !== undefined) where.name = { in: [...options.names] };
    if (options.phases !== undefined) where.phase = { in: [...options.phases] };
    if (options.uids !== undefined || options.after !== undefined)
      where.uid = {
        ...(options.uids === undefined ? {} : { in: [...options.uids] }),
        ...(options.after === undefined ? {} : { [options.newestFirst ? "lt" : "gt"]: options.after }),
      };
    if (options.labels !== undefined)
      where.AND = Object.entries(options.labels).map(([name, value]) => ({ labels: { path: [name], equals: value } }));
    const rows = await this.client.object.findMany({
      where,
      orderBy: { uid: options.newestFirst ? "desc" : "asc" },
      ...(options.limit === undefined ? {} : { take: options.limit }),
    });
    return rows.map((row) => toResource<K>(row));
  }

  /** Uids of all objects of a kind, in some of these phases: for resyncs, which read each object on its own. */
  async uids(kind: Kind, options: Pick<ListOptions, "phases"> = {}): Promise<readonly string[]> {
    const rows = await this.client.object.findMany({
      where: { ...objectFilter(this.scope), kind, ...(options.phases === undefined ? {} : { phase: { in: [...options.phases] } }) },
      select: { uid: true },
    });
    return rows.map(({ uid }) => uid);
  }

  /** The version that a watch of this scope resumes from: everything up to it is visible to a read that starts now. */
  async version(scopeUid: string): Promise<number> {
    const row = await this.client.counter.findUnique({ where: { scope: scopeUid } });
    return Number(row?.value ?? 0n);
  }
}

/** Mutations of objects. Each is recorded; the transaction's end gives them their versions and change rows. */
export class ObjectRepository extends ObjectReader {
  readonly #changes: Changes;

  constructor(client: AnyClient, scope: TenantScope, changes: Changes) {
    super(client, scope);
    this.#changes = changes;
  }

  /** As get, holding the row until the transaction ends: for read-modify-write. */
  async lock<K extends Kind>(kind: K, uid: string): Promise<Resource<K>> {
    const locked = await this.lockIfThere(kind, uid);
    if (locked === undefined) throw notFound(kind, uid);
    return locked;
  }

  /** As find, holding the row until the transaction ends. */
  lockIfThere<K extends Kind>(kind: K, uid: string): Promise<Resource<K> | undefined> {
    return this.#lockWhere(Sql.sql`kind = ${kind} AND uid = ${uid}`);
  }

  /** As getByName, holding the row until the transaction ends. */
  async lockByName<K extends Kind>(kind: K, holderUid: string, name: string): Promise<Resource<K>> {
    const locked = await this.#lockWhere<K>(Sql.sql`kind = ${kind} AND scope_uid = ${holderUid} AND name = ${name}`);
    if (locked === undefined) throw notFound(kind, name);
    return locked;
  }

  /** One statement: a row that somebody else holds is read as they leave it. */
  async #lockWhere<K extends Kind>(condition: Prisma.Sql): Promise<Resource<K> | undefined> {
    const visible = this.scope.kind === "platform" ? Sql.empty : Sql.sql`AND team_uid = ANY(${[...this.scope.teamUids]})`;
    const [row] = await this.client.$queryRaw<Row[]>`
      SELECT uid, kind, scope_uid AS "scopeUid", team_uid AS "teamUid", namespace_uid AS "namespaceUid", name, owner_uid AS "ownerUid",
        host_uid AS "hostUid", phase, labels, spec, status, generation, version, finalizers, created_at AS "createdAt", deleted_at AS "deletedAt"
      FROM objects WHERE ${condition} ${visible} FOR UPDATE`;
    return row === undefined ? undefined : toResource<K>(row);
  }

  /** Creates an object; `conflict` when the name is taken in its scope. */
  async create<K extends Kind>(wanted: NewObject<K>): Promise<Resource<K>> {
    const level = scopeLevel(wanted.kind);
    const uid = newUid(PREFIX[wanted.kind]);
    const teamUid = wanted.kind === "Team" ? uid : (wanted.team?.metadata.uid ?? wanted.namespace?.metadata.teamUid);
    const namespaceUid = wanted.kind === "Namespace" ? uid : wanted.namespace?.metadata.uid;
    const scopeUid = level === "platform" ? PLATFORM_SCOPE : level === "team" ? teamUid : namespaceUid;
    if (scopeUid === undefined) throw new AppError("internal", `${wanted.kind} ${wanted.name} was created outside of a ${level}`);
    // A taken name must not abort the transaction (25P02), so that the caller can go on: insert nothing rather than fail.
    const data = {
      uid,
      kind: wanted.kind,
      scopeUid,
      teamUid: teamUid ?? null,
      namespaceUid: namespaceUid ?? null,
      name: wanted.name,
      ownerUid: wanted.ownerUid ?? null,
      hostUid: hostUidOf(wanted.spec, wanted.status),
      phase: phaseOf(wanted.status),
      labels: { ...wanted.labels, ...nameLabels(wanted) } as Prisma.InputJsonValue,
      spec: parse(wanted.kind, "spec", wanted.spec),
      status: parse(wanted.kind, "status", wanted.status),
      finalizers: [...(wanted.finalizers ?? [])],
    };
    const [row] = await this.client.object.createManyAndReturn({ data: [data], skipDuplicates: true });
    if (row === undefined)
      throw new AppError("conflict", `${wanted.kind} ${wanted.name} exists already; choose another name.`, { retry: "never" });
    const created = toResource<K>(row);
    this.#changes.record("created", scopeUid, created);
    return created;
  }

  /** Replaces spec (and labels, when given) and counts a new generation; nothing happens when they are the same. */
  async updateSpec<K extends Kind>(object: Resource<K>, spec: Spec<K>, labels?: Readonly<Record<string, string>>): Promise<Resource<K>> {
    const next = parse(object.metadata.kind, "spec", spec);
    const nextLabels = labels === undefined ? undefined : ({ ...labels, ...platformLabels(object) } as Prisma.InputJsonValue);
    if (same(next, object.spec) && (nextLabels === undefined || same(nextLabels, object.metadata.labels))) return object;
    return this.#update(object, {
      spec: next,
      ...(nextLabels === undefined ? {} : { labels: nextLabels }),
      generation: { increment: 1 },
      hostUid: hostUidOf(spec, object.status),
    });
  }

  /** Replaces status; nothing happens when it is the same. */
  async updateStatus<K extends Kind>(object: Resource<K>, status: Status<K>): Promise<Resource<K>> {
    const next = parse(object.metadata.kind, "status", status);
    if (same(next, object.status)) return object;
    return this.#update(object, { status: next, phase: phaseOf(status), hostUid: hostUidOf(object.spec, status) });
  }

  /** Marks it for deletion; gone at once when no finalizer holds it. Idempotent. */
  async delete<K extends Kind>(object: Resource<K>): Promise<void> {
    if (object.metadata.finalizers.length === 0) return this.#remove(object);
    if (object.metadata.deletedAt !== undefined) return;
    await this.#update(object, { deletedAt: new Date() });
  }

  /** Takes a finalizer off; the last one of an object that is marked for deletion removes it. */
  async removeFinalizer<K extends Kind>(object: Resource<K>, finalizer: string): Promise<void> {
    const finalizers = object.metadata.finalizers.filter((name) => name !== finalizer);
    if (finalizers.length === 0 && object.metadata.deletedAt !== undefined) return this.#remove(object);
    if (finalizers.length !== object.metadata.finalizers.length) await this.#update(object, { finalizers });
  }

  /** Writes only what the caller has seen: `conflict` when the row moved on since it was read. */
  async #update<K extends Kind>(object: Resource<K>, data: Prisma.ObjectUpdateManyMutationInput): Promise<Resource<K>> {
    const { uid, kind, name, generation } = object.metadata;
    const [row] = await this.client.object.updateManyAndReturn({
      where: { ...objectFilter(this.scope), uid, version: object.metadata.version, generation },
      data,
    });
    if (row === undefined)
      throw new AppError("conflict", `${kind} ${name} changed meanwhile; read it again and repeat.`, { details: { uid } });
    const updated = toResource<K>(row);
    this.#changes.record("updated", row.scopeUid, updated);
    return updated;
  }

  async #remove<K extends Kind>(object: Resource<K>): Promise<void> {
    const row = await this.client.object.findFirst({ where: { ...objectFilter(this.scope), uid: object.metadata.uid } });
    if (!row) return;
    await this.client.object.delete({ where: { uid: row.uid } });
    this.#changes.record("deleted", row.scopeUid, toResource<K>(row));
  }
}

/** Team and namespace names travel in labels of the row, so that an object is complete without a join; names never change. */
const TEAM_LABEL = "plimsoll/team";
const NAMESPACE_LABEL = "plimsoll/namespace";

function nameLabels<K extends Kind>(wanted: NewObject<K>): Record<string, string> {
  const team = wanted.kind === "Team" ? wanted.name : (wanted.team?.metadata.name ?? wanted.namespace?.metadata.team);
  const namespace = wanted.kind === "Namespace" ? wanted.name : wanted.namespace?.metadata.name;
  return { ...(team === undefined ? {} : { [TEAM_LABEL]: team }), ...(namespace === undefined ? {} : { [NAMESPACE_LABEL]: namespace }) };
}

function platformLabels(object: Resource): Record<string, string> {
  return Object.fromEntries(Object.entries(object.metadata.labels).filter(([name]) => name.startsWith("plimsoll/")));
}

function toResource<K extends Kind>(row: Row): Resource<K> {
  const labels = row.labels as Record<string, string>;
  return {
    metadata: {
      uid: row.uid,
      kind: row.kind as K,
      name: row.name,
      ...(labels[TEAM_LABEL] === undefined ? {} : { team: labels[TEAM_LABEL] }),
      ...(row.teamUid === null ? {} : { teamUid: row.teamUid }),
      ...(labels[NAMESPACE_LABEL] === undefined ? {} : { namespace: labels[NAMESPACE_LABEL] }),
      ...(row.namespaceUid === null ? {} : { namespaceUid: row.namespaceUid }),
      ...(row.ownerUid === null ? {} : { ownerUid: row.ownerUid }),
      labels,
      generation: row.generation,
      version: Number(row.version),
      createdAt: row.createdAt.toISOString(),
      ...(row.deletedAt === null ? {} : { deletedAt: row.deletedAt.toISOString() }),
      finalizers: row.finalizers,
    },
    spec: row.spec as Spec<K>,
    status: row.status as Status<K>,
  };
}

function parse(kind: Kind, part: "spec" | "status", value: unknown): Prisma.InputJsonValue {
  return RESOURCES[kind][part].parse(value) as Prisma.InputJsonValue;
}

function phaseOf(status: unknown): string | null {
  return typeof status === "object" && status !== null && "phase" in status && typeof status.phase === "string" ? status.phase : null;
}

function hostUidOf(spec: unknown, status: unknown): string | null {
  for (const part of [spec, status])
    if (typeof part === "object" && part !== null && "hostUid" in part && typeof part.hostUid === "string") return part.hostUid;
  return null;
}

/** Equality of JSON values whatever the order of their keys. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`)
      .join(",")}}`;
  return JSON.stringify(value) ?? "null";
}
