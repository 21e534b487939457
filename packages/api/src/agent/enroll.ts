import { isIP } from "node:net";
import type { EnrollRequest, EnrollResponse, HostUpdate } from "@plimsoll/contracts";
import { AppError, ObjectName, PLATFORM_SCOPE, type Resource, type Spec } from "@plimsoll/core";
import { type HostRole, PLATFORM, type TokenRecord, type Tx } from "@plimsoll/db";
import type { Api } from "../context.ts";

/** A /20 of the default /10 each. */
const MAX_HOSTS = 1_024;

/**
 * Makes a machine a host with the roles that its token grants, or gives a host that is known a new credential (the one before ends):
 * only with a token that was made for its name, else whoever is to be some host could become any. An enrolment token makes one host:
 * it is tied to the first that uses it, who may repeat the call when the answer got lost.
 */
export async function enrollHost(api: Api, request: EnrollRequest, requestId: string): Promise<EnrollResponse> {
  assertEnrollable(request);
  const token = await api.db.identities.findToken(request.token, ["enroll"]);
  if (token === undefined)
    throw new AppError("unauthenticated", "This enrolment token is not valid, or over; make a new one with `plim host add`.");
  if (token.name !== "" && token.name !== request.name)
    throw new AppError("forbidden", `This enrolment token is for host ${token.name}, not ${request.name}; join under that name.`);
  const roles = assertGranted(request.roles, token.roles);
  const enrolled = await api.db.write({ scope: PLATFORM }, async (tx) => {
    const host = await ensureHost(tx, { ...request, roles }, token);
    if (!(await tx.identities.bindToken(token.id, host.metadata.uid)))
      throw new AppError("conflict", "This enrolment token has made another host already; make a new one.", { retry: "never" });
    await tx.hosts.admit(host.metadata.uid, token.roles);
    await tx.identities.removeTokensOf("host", host.metadata.uid);
    const { secret } = await tx.identities.createToken({ kind: "host", subject: host.metadata.uid, name: host.metadata.name });
    for (const other of await tx.objects.list("Host")) tx.wake("sync", other.metadata.uid);
    tx.wake("host", host.metadata.uid);
    tx.audit({ actor: `host:${host.metadata.uid}`, action: "hosts.enroll", objectUid: host.metadata.uid, requestId, details: { roles } });
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
    const roles = assertGranted(update.roles, (await tx.hosts.find(hostUid))?.roles ?? []);
    const updated = await tx.objects.updateSpec(host, { ...host.spec, ...said, roles });
    await tx.objects.updateStatus(updated, { ...updated.status, facts });
    if (updated === host) return;
    for (const other of await tx.objects.list("Host")) tx.wake("sync", other.metadata.uid);
    tx.wake("host", hostUid);
  });
}

/** What of the granted roles a host is to have; `forbidden` when it claims more. */
function assertGranted(claimed: readonly HostRole[] | undefined, granted: readonly HostRole[]): HostRole[] {
  const more = (claimed ?? []).filter((role) => !granted.includes(role));
  if (more.length === 0) return [...new Set(claimed ?? granted)];
  throw new AppError(
    "forbidden",
    `This host was granted ${granted.join(", ") || "no role"} by the operator who let it in, and claims ${more.join(", ")} too. ` +
      "Take that out of its PLIMSOLL_ROLES, or let it in again by a token that grants it.",
  );
}

async function ensureHost(
  tx: Tx,
  request: EnrollRequest & { readonly roles: HostRole[] },
  token: Pick<TokenRecord, "name" | "subject">,
): Promise<Resource<"Host">> {
  const { name, roles, underlay, publicKey, capacity, facts } = request;
  const known = await tx.objects.findByName("Host", PLATFORM_SCOPE, name);
  const said = { roles, underlay, publicKey, capacity };
  if (known !== undefined) {
    if (token.name !== name && token.subject !== known.metadata.uid)
      throw new AppError("conflict", `There is a host ${name} already. Take another name, remove it, or make a token for that name.`, {
        retry: "never",
      });
    const current = await tx.objects.lock("Host", known.metadata.uid);
    const updated = await tx.objects.updateSpec(current, { ...current.spec, ...said });
    return tx.objects.updateStatus(updated, { ...updated.status, facts });
  }
  const index = await freeIndex(tx);
  const spec: Spec<"Host"> = { index, schedulable: true, ...said };
  return tx.objects.create({ kind: "Host", name, spec, status: { phase: "unreachable", message: "enrolled, not heard of yet", facts } });
}

/** A place in the platform's network that no host had before; when all were given, that of one that was removed. */
async function freeIndex(tx: Tx): Promise<number> {
  // Its counter row also makes enrolments take turns: no two find the same place free.
  const next = (await tx.platform.nextNumber("host-index")) - 1;
  if (next < MAX_HOSTS) return next;
  const used = new Set((await tx.objects.list("Host")).map(({ spec }) => spec.index));
  for (let index = 0; index < MAX_HOSTS; index++) if (!used.has(index)) return index;
  throw new AppError("unsupported", `This platform's network has room for ${MAX_HOSTS} hosts; all are taken. Remove one first.`);
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

/** What a host may be unless the operator says otherwise: what comes from outside is let in by hosts that were chosen for it. */
export const DEFAULT_HOST_ROLES: readonly HostRole[] = ["build", "run"];

/** A new enrolment token, which grants its host these roles and no others, and the line that uses it. */
export async function createHostToken(
  tx: Tx,
  grant: { readonly roles: readonly HostRole[]; readonly name?: string },
  hostCommand: (token: string) => string,
) {
  const { secret } = await tx.identities.createToken({ kind: "enroll", ttlMs: ENROLL_TTL_MS, ...grant });
  return { token: secret, command: hostCommand(secret) };
}
