import type { JobName } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import type { TxClient } from "./client.ts";
import { Connections } from "./connections.ts";
import { Disks } from "./disks.ts";
import { HostAdmissions } from "./host-admissions.ts";
import { Identities } from "./identities.ts";
import { ImagePackageLists } from "./image-packages.ts";
import type { Keyring } from "./keyring.ts";
import { LeaseStore } from "./leases.ts";
import { ObjectRepository } from "./objects.ts";
import { Platform } from "./platform.ts";
import { Pushes } from "./pushes.ts";
import { Quotas } from "./quotas.ts";
import { Registries } from "./registries.ts";
import type { TenantScope } from "./scope.ts";
import { Secrets } from "./secrets.ts";
import { Changes } from "./unit-of-work.ts";

/** A lease that a transaction writes under: it commits only while this epoch is the lease's. */
export interface Fence {
  readonly key: string;
  readonly epoch: number;
}

export interface AuditEntry {
  readonly actor: string;
  readonly action: string;
  readonly teamUid?: string;
  readonly objectUid?: string;
  readonly requestId?: string;
  /** Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * One mutation: repositories on one transaction, and what must commit with it (audit rows, wake-ups). No other I/O may happen
 * inside; what must follow is a wake-up.
 */
export class Tx {
  readonly objects: ObjectRepository;
  readonly quotas: Quotas;
  readonly secrets: Secrets;
  readonly registries: Registries;
  readonly identities: Identities;
  readonly connections: Connections;
  readonly pushes: Pushes;
  readonly platform: Platform;
  readonly leases: LeaseStore;
  readonly hosts: HostAdmissions;
  readonly disks: Disks;
  readonly packages: ImagePackageLists;
  readonly #client: TxClient;
  readonly #changes = new Changes();
  readonly #wakes = new Map<string, { job: string; key: string }>();
  readonly #audits: AuditEntry[] = [];
  readonly #atEnd = new Map<string, () => Promise<void>>();

  constructor(client: TxClient, scope: TenantScope, keyring: Keyring) {
    this.#client = client;
    this.objects = new ObjectRepository(client, scope, this.#changes);
    this.quotas = new Quotas(client);
    this.secrets = new Secrets(client, keyring);
    this.registries = new Registries(client, keyring);
    this.identities = new Identities(client);
    this.connections = new Connections(client);
    this.pushes = new Pushes(client);
    this.platform = new Platform(client);
    this.leases = new LeaseStore(client);
    this.hosts = new HostAdmissions(client);
    this.disks = new Disks(client);
    this.packages = new ImagePackageLists(client);
  }

  /** Wakes a reconciler once this has committed. */
  wake(job: JobName, uid: string): void {
    this.#wakes.set(`${job}/${uid}`, { job, key: uid });
  }

  audit(entry: AuditEntry): void {
    this.#audits.push(entry);
  }

  /**
   * Runs `work` when everything else is done, once however often it is asked for. For rows that most transactions touch: who takes
   * such a row last holds it shortest, and cannot lock out another that holds what it still needs.
   */
  atEnd(key: string, work: () => Promise<void>): void {
    this.#atEnd.set(key, work);
  }

  /** The last statements: audit, and then in one outbox, fence and versions, whose row lock is held shortest so. For Database only. */
  async finish(fence: Fence | undefined): Promise<ReadonlyMap<string, number>> {
    for (const work of this.#atEnd.values()) await work();
    if (this.#audits.length > 0)
      await this.#client.audit.createMany({
        data: this.#audits.map((entry) => ({
          actor: entry.actor,
          action: entry.action,
          teamUid: entry.teamUid ?? null,
          objectUid: entry.objectUid ?? null,
          requestId: entry.requestId ?? null,
          details: JSON.parse(JSON.stringify(entry.details ?? {})),
        })),
      });
    const wakes = [...this.#wakes.values()];
    const { all: changes } = this.#changes;
    if (wakes.length === 0 && fence === undefined && changes.length === 0) return new Map();
    const [end] = await this.#client.$queryRaw<{ fenced: boolean; versions: Record<string, number> }[]>`
      WITH fence AS MATERIALIZED (SELECT key FROM leases WHERE key = ${fence?.key ?? ""} AND epoch = ${fence?.epoch ?? 0} FOR SHARE),
        wakes AS (
          INSERT INTO outbox (job, key) SELECT job, key FROM jsonb_to_recordset(${JSON.stringify(wakes)}::jsonb) AS wake (job text, key text)
          RETURNING id
        ),
        told AS MATERIALIZED (SELECT pg_notify('plimsoll_outbox', '') FROM (SELECT count(*) AS number FROM wakes) AS written WHERE number > 0)
      SELECT EXISTS (SELECT FROM fence) AS fenced, (SELECT count(*) FROM told) AS told, commit_changes(${JSON.stringify(changes)}::jsonb) AS versions`;
    if (fence !== undefined && end?.fenced !== true)
      throw new AppError("stale_lease", `Another worker took over ${fence.key}; this one stops.`, { details: { key: fence.key } });
    return new Map(Object.entries(end?.versions ?? {}));
  }
}
