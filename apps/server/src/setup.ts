import { createHash, randomInt } from "node:crypto";
import { availableParallelism, totalmem } from "node:os";
import { createNamespace, createTeam, PLATFORM_CALLER, parseSshPublicKey } from "@plimsoll/api";
import { PLATFORM_SCOPE, type QuotaVector, type Resource } from "@plimsoll/core";
import { type Database, PLATFORM, type Tx } from "@plimsoll/db";
import type { Settings } from "./settings.ts";

/** What `npm start` needs to know after the schema is there: printed as one JSON line. */
export interface SetupAnswer {
  readonly claimUrl?: string;
  readonly hostToken?: string;
  readonly sampleAppNeeded: boolean;
  readonly sample?: { readonly gitUrl: string; readonly url: string };
}

const TEAM = "demo";
const NAMESPACE = "demo";
const SAMPLE_APP = "hello";
const CLAIM_TTL_MS = 3_600_000;
const ENROLL_TTL_MS = 3_600_000;
/** Crockford's base32 without what is easily mistaken. */
const CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ";
const SAMPLE_USER = { name: "Plimsoll", email: "sample@plimsoll.invalid", passwordHash: "", operator: false };

export interface SetupOptions {
  /** The public key that pushes the sample app, as in an `.pub` file. */
  readonly samplePublicKey?: string;
  /** Name of this machine's host: an enrolment token is made unless it is enrolled. */
  readonly hostName: string;
}

/**
 * A first start's rows: team and namespace `demo`, the sample's key, a claim code until somebody has claimed the platform, a token for this
 * machine until it is enrolled. Idempotent; every call makes a new claim code and forgets the one before.
 */
export async function setUp(db: Database, settings: Settings, options: SetupOptions): Promise<SetupAnswer> {
  return db.write({ scope: PLATFORM }, async (tx) => {
    const namespace = await ensureDemo(tx, settings);
    if (options.samplePublicKey !== undefined) await ensureSampleKey(tx, options.samplePublicKey, namespace);
    const claimUrl = await newClaimUrl(tx, settings);
    const hostToken = await newHostToken(tx, options.hostName);
    const app = await tx.objects.findByName("App", namespace.metadata.uid, SAMPLE_APP);
    return {
      ...(claimUrl === undefined ? {} : { claimUrl }),
      ...(hostToken === undefined ? {} : { hostToken }),
      // An app that was deleted on purpose does not come back: only the very first start pushes.
      sampleAppNeeded: claimUrl !== undefined && app?.status.release === undefined,
      sample: {
        gitUrl: `ssh://git@${settings.sshAddress}:${settings.sshPort}/${TEAM}/${NAMESPACE}/${SAMPLE_APP}.git`,
        url: app?.status.urls[0] ?? `http://${SAMPLE_APP}-${NAMESPACE}.${settings.appsDomain}:${settings.httpPort}`,
      },
    };
  });
}

/** The first team has all of this machine; its namespace half. Both can be changed any time. */
async function ensureDemo(tx: Tx, settings: Settings): Promise<Resource<"Namespace">> {
  const context = { tx, caller: PLATFORM_CALLER, settings };
  const quota: QuotaVector = {
    cpuMillis: availableParallelism() * 1_000,
    memoryBytes: Math.floor(totalmem() * 0.8),
    instances: 200,
    builds: 4,
  };
  const team =
    (await tx.objects.findByName("Team", PLATFORM_SCOPE, TEAM)) ?? (await createTeam(context, { name: TEAM, displayName: "Demo", quota }));
  const found = await tx.objects.findByName("Namespace", team.metadata.uid, NAMESPACE);
  if (found !== undefined) return found;
  const half = {
    cpuMillis: quota.cpuMillis,
    memoryBytes: Math.min(quota.memoryBytes, 4 * 1024 ** 3),
    instances: 40,
    builds: 2,
  };
  return createNamespace(context, team, { name: NAMESPACE, displayName: "Demo", quota: half });
}

/** The key of the sample's push belongs to an account that nobody can log in to. */
async function ensureSampleKey(tx: Tx, line: string, namespace: Resource<"Namespace">): Promise<void> {
  const { publicKey, fingerprint } = parseSshPublicKey(line);
  if ((await tx.identities.userOfSshKey(fingerprint)) !== undefined) return;
  const known = await tx.identities.credentials(SAMPLE_USER.email);
  const userId = known?.id ?? (await tx.identities.createUser(SAMPLE_USER)).id;
  await tx.identities.setMembership(userId, namespace.metadata.teamUid ?? "", "developer");
  await tx.identities.addSshKey({ userId, name: "sample app", publicKey, fingerprint });
}

async function newClaimUrl(tx: Tx, settings: Settings): Promise<string | undefined> {
  if ((await tx.identities.countOperators()) > 0) return undefined;
  await tx.identities.removeTokensOf("claim");
  const code = Array.from({ length: 3 }, () =>
    Array.from({ length: 4 }, () => CODE_ALPHABET[randomInt(CODE_ALPHABET.length)]).join(""),
  ).join("-");
  await tx.identities.createToken({ kind: "claim", secret: code, ttlMs: CLAIM_TTL_MS });
  return `${settings.platformOrigin}/claim/${code}`;
}

async function newHostToken(tx: Tx, hostName: string): Promise<string | undefined> {
  if ((await tx.objects.findByName("Host", PLATFORM_SCOPE, hostName)) !== undefined) return undefined;
  const roles = ["build", "run", "ingress"] as const;
  return (await tx.identities.createToken({ kind: "enroll", name: hostName, roles, ttlMs: ENROLL_TTL_MS })).secret;
}

/** What the passwords of hosts' Redis users are derived from: bound to the platform key, so that it needs no file of its own. */
export function hostUserKey(platformKey: Uint8Array): Uint8Array {
  return createHash("sha256").update("plimsoll host queue users v1").update(platformKey).digest();
}
