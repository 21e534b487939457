import { isIP } from "node:net";
import type { EnrollRequest, EnrollResponse, HostUpdate } from "@plimsoll/contracts";
import { AppError, ObjectName, PLATFORM_SCOPE, type Resource, type Spec } from "@plimsoll/core";
import { PLATFORM, type Tx } from "@plimsoll/db";
import type { Api } from "../context.ts";

/** A /20 of the default /10 each. */
const MAX_HOSTS = 1_024;

/**
 * Makes a machine a host, or gives a host that is known by its name a new credential (the one before ends). An enrolment token makes
 * one host: it is tied to the first that uses it, who may repeat the call when the answer got lost.
 */
export async function enrollHost(api: Api, request: EnrollRequest, requestId: string): Promise<EnrollResponse> {
  assertEnrollable(request);
  const token = await api.db.identities.findToken(request.token, ["enroll"]);
  if (token === undefined)
    throw new AppError("unauthenticated", "This enrolment token is not valid, or over; make a new one with `plim host add`.");
  const enrolled = await api.db.write({ scope: PLATFORM }, async (tx) => {
    const host = await ensureHost(tx, request);
    if (!(await tx.identities.bindToken(token.id, host.metadata.uid)))
      throw new AppError("conflict", "This enrolment token has made another host already; make a new one.", { retry: "never" });
    await tx.identities.removeTokensOf("host", host.metadata.uid);
    const { secret } = await tx.identities.createToken({ kind: "host", subject: host.metadata.uid, name: host.metadata.name });
    for (const other of await tx.objects.list("Host")) tx.wake("sync", other.metadata.uid);
    tx.wake("host", host.metadata.uid);
    tx.audit({ actor: `host:${host.metadata.uid}`, action: "hosts.enroll", objectUid: host.metadata.uid, requestId });
    return { hostUid: host.metadata.uid, credential: secret };
  });
  const queue = await api.hostQueue?.(enrolled.hostUid);
  return queue === undefined ? enrolled : { ...enrolled, queue };
}

/** Takes what an enrolled host says of itself; every host's routes follow a changed address. Idempotent. */
export async function updateHost(api: Pick<Api, "db">, hostUid: string, update: HostUpdate): Promise<void> {
  assertReachable(update);
  await api.db.write({ scope: PLATFORM }, async (tx) => {
    const host = await tx.objects.lock("Host", hostUid);
    const { facts, ...said } = update;
    const updated = await tx.objects.updateSpec(host, { ...host.spec, ...said });
    await tx.objects.updateStatus(updated, { ...updated.status, facts });
    if (updated === host) return;
    for (const other of await tx.objects.list("Host")) tx.wake("sync", other.metadata.uid);
    tx.wake("host", hostUid);
  });
}

async function ensureHost(tx: Tx, request: EnrollRequest): Promise<Resource<"Host">> {
  const { name, roles, underlay, publicKey, capacity, facts } = request;
  const known = await tx.objects.findByName("Host", PLATFORM_SCOPE, name);
  const said = { roles, underlay, publicKey, capacity };
  if (known !== undefined) {
    const current = await tx.objects.lock("Host", known.metadata.uid);
    const updated = await tx.objects.updateSpec(current, { ...current.spec, ...said });
    return tx.objects.updateStatus(updated, { ...updated.status, facts });
  }
  const index = (await tx.platform.nextNumber("host-index")) - 1;
  if (index >= MAX_HOSTS) throw new AppError("unsupported", `This platform's network has room for ${MAX_HOSTS} hosts; all are taken.`);
  const spec: Spec<"Host"> = { index, schedulable: true, ...said };
  return tx.objects.create({ kind: "Host", name, spec, status: { phase: "unreachable", message: "enrolled, not heard of yet", facts } });
}

const wrong = (what: string) => new AppError("invalid", `This machine cannot be enrolled: ${what}.`);

function assertEnrollable({ name, publicKey, ...update }: EnrollRequest): void {
  if (!ObjectName.safeParse(name).success) throw wrong("its name must be 1 to 40 of a-z, 0-9 and -, starting with a letter");
  if (Buffer.from(publicKey, "base64").length !== 32) throw wrong("its public key must be an X25519 key of 32 bytes in base64");
  assertReachable(update);
}

function assertReachable({ underlay, facts, capacity }: HostUpdate): void {
  if (isIP(underlay) === 0) throw wrong("its underlay address must be an IP address that the other hosts reach it at");
  if (JSON.stringify(facts).length > 64 * 1024) throw wrong("its facts are larger than 64 KiB");
  if (capacity.cpuMillis < 1 || capacity.memoryBytes < 1) throw wrong("it has no capacity for apps");
}

const ENROLL_TTL_MS = 24 * 3_600_000;

/** A new enrolment token and the line that uses it. */
export async function createHostToken(tx: Tx, hostCommand: (token: string) => string) {
  const { secret } = await tx.identities.createToken({ kind: "enroll", ttlMs: ENROLL_TTL_MS });
  return { token: secret, command: hostCommand(secret) };
}
