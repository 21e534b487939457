import type { JobName } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import type { TxClient } from "./client.ts";
import { Connections } from "./connections.ts";
import { Disks } from "./disks.ts";
import { HostAdmissions } from "./host-admissions.ts";
import { Identities } from "./identities.ts";
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

  /** The last statements: audit, outbox, fence, and then the versions (whose row lock is held shortest so). For Database only. */
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
    if (this.#wakes.size > 0) {
      await this.#client.outbox.createMany({ data: [...this.#wakes.values()] });
      await this.#client.$queryRaw`SELECT 1 FROM pg_notify('plimsoll_outbox', '')`;
    }
    if (fence !== undefined) await assertFence(this.#client, fence);
    return this.#changes.flush(this.#client);
  }
}

async function assertFence(client: TxClient, fence: Fence): Promise<void> {
  const rows = await client.$queryRaw<unknown[]>`SELECT 1 FROM leases WHERE key = ${fence.key} AND epoch = ${fence.epoch} FOR SHARE`;
  if (rows.length === 0)
    throw new AppError("stale_lease", `Another worker took over ${fence.key}; this one stops.`, { details: { key: fence.key } });
}
