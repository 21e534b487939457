import type { Spec } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";

export type HostRole = Spec<"Host">["roles"][number];

/** What the platform lets a host be, decided by its operators and not by the host. */
export interface HostAdmission {
  readonly roles: readonly HostRole[];
}

/** Who may be a host: roles that were granted, the certificate that counts, and who was removed. */
export class HostAdmissions {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /** Admits a host to these roles, no others; a certificate that it had counts no more. Idempotent. */
  async admit(hostUid: string, roles: readonly HostRole[]): Promise<void> {
    const data = { roles: [...roles], certificate: "", removedAt: null };
    await this.#client.hostAdmission.upsert({ where: { hostUid }, create: { hostUid, ...data }, update: data });
  }

  /** undefined: nobody admitted it, or it was removed. */
  async find(hostUid: string): Promise<HostAdmission | undefined> {
    const row = await this.#client.hostAdmission.findUnique({ where: { hostUid } });
    return row === null || row.removedAt !== null ? undefined : { roles: row.roles as HostRole[] };
  }

  /** From now on this certificate (SHA-256 in hex) is the host's, and the one before is not; false for a host that was removed. */
  async setCertificate(hostUid: string, certificate: string): Promise<boolean> {
    const { count } = await this.#client.hostAdmission.updateMany({ where: { hostUid, removedAt: null }, data: { certificate } });
    return count > 0;
  }

  /** Whether this certificate is the one that the host was given last. Who calls has verified that it is the platform's. */
  async isCurrent(hostUid: string, certificate: string): Promise<boolean> {
    const row = await this.#client.hostAdmission.findUnique({ where: { hostUid } });
    return row !== null && row.removedAt === null && (row.certificate === null || row.certificate === certificate);
  }

  /** Takes the admission away, with its credentials, the enrolment token that made it and its lease. Idempotent. */
  async remove(hostUid: string): Promise<void> {
    const removedAt = new Date();
    await this.#client.hostAdmission.upsert({
      where: { hostUid },
      create: { hostUid, roles: [], certificate: "", removedAt },
      update: { certificate: "", removedAt },
    });
    await this.#client.token.deleteMany({ where: { kind: { in: ["host", "enroll"] }, subject: hostUid } });
    await this.#client.hostLease.deleteMany({ where: { hostUid } });
  }

  /** Hosts that were removed and may still have something of theirs somewhere. */
  async removed(): Promise<readonly string[]> {
    const rows = await this.#client.hostAdmission.findMany({ where: { removedAt: { not: null } }, select: { hostUid: true } });
    return rows.map(({ hostUid }) => hostUid);
  }
}
