import { readFile } from "node:fs/promises";
import { networkInterfaces, release } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@plimsoll/config";
import type { HostUpdate } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { readPressure } from "@plimsoll/host";
import { createServerApi } from "./api-client.ts";
import { forgetDesired } from "./desired-cache.ts";
import { fetchAuthority, parseJoinToken, requestCertificate } from "./gateway.ts";
import { type Identity, loadIdentity, saveIdentity } from "./identity.ts";
import type { Settings } from "./settings.ts";

/** An identity that the server knows. */
export type EnrolledIdentity = Identity & { readonly hostUid: string; readonly credential: string };

const RETRY_MS = 500;

/** The host's identity; enrols first where it never was. Waits for a server that does not answer yet; other refusals are thrown. */
export async function ensureEnrolled(settings: Settings, stateDir: string, log: Logger): Promise<EnrolledIdentity> {
  let identity = await loadIdentity(stateDir);
  while (!isEnrolled(identity)) {
    try {
      identity = await enroll(settings, identity);
      await saveIdentity(stateDir, identity);
      log.info("enrolled", { host: identity.hostUid });
    } catch (error) {
      if (!(error instanceof AppError) || error.retry === "never") throw error;
      log.info("waiting for the server", { error });
      await sleep(RETRY_MS);
    }
  }
  return identity;
}

/**
 * For a host whose credential is not valid any more, because it was removed: becomes a host again with the token that its settings hold by
 * now. False, with what it was kept, when that is none or not a new one. The agent has to be started anew to be the new host.
 */
export async function enrollAgain(settings: Settings, stateDir: string, log: Logger): Promise<boolean> {
  if (settings.enrollToken === undefined) return false;
  try {
    const identity = await enroll(settings, await loadIdentity(stateDir));
    await forgetDesired(stateDir);
    await saveIdentity(stateDir, identity);
    log.info("enrolled again", { host: identity.hostUid });
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    log.warn("this host is none of the platform any more, and its token does not make it one again", { error });
    return false;
  }
}

function isEnrolled(identity: Identity): identity is EnrolledIdentity {
  return identity.hostUid !== undefined && identity.credential !== undefined;
}

async function enroll(settings: Settings, identity: Identity): Promise<EnrolledIdentity> {
  if (settings.enrollToken === undefined)
    throw new AppError("unauthenticated", "This host is not enrolled: start it with the command that `plim host add` prints.");
  const remote = settings.api.startsWith("https:");
  const join = remote ? parseJoinToken(settings.enrollToken) : undefined;
  const authorityPem = join === undefined ? undefined : await fetchAuthority(settings.api, join.fingerprint);
  const trusting: Identity = authorityPem === undefined ? identity : { ...identity, tls: { authorityPem, certificatePem: "", keyPem: "" } };
  const api = createServerApi(settings.api, trusting);
  try {
    const answer = await api.enroll({
      token: join?.secret ?? settings.enrollToken,
      name: settings.hostName,
      publicKey: identity.publicKey,
      ...(await describeHost(settings)),
    });
    const tls = authorityPem === undefined ? undefined : await requestCertificate(settings.api, authorityPem, answer.credential);
    return { ...identity, ...answer, ...(tls === undefined ? {} : { tls }) };
  } finally {
    await api.close();
  }
}

/** What this host is, as its settings and its system say now. */
export async function describeHost(settings: Settings): Promise<HostUpdate> {
  return {
    underlay: settings.address ?? (await defaultAddress()),
    ...(settings.roles === undefined ? {} : { roles: [...settings.roles] }),
    capacity: settings.capacity,
    facts: await hostFacts(),
  };
}

/** The source address of the default route; loopback where there is none: a single host. */
async function defaultAddress(): Promise<string> {
  const output = await run(["ip", "-j", "route", "show", "default"]);
  const [route] = JSON.parse(output.stdout || "[]") as { dev?: string; prefsrc?: string }[];
  const device = route?.dev === undefined ? undefined : networkInterfaces()[route.dev];
  return route?.prefsrc ?? device?.find(({ family }) => family === "IPv4")?.address ?? "127.0.0.1";
}

/** What an operator wants to know of a host. */
async function hostFacts(): Promise<Record<string, string>> {
  const os = await readFile("/etc/os-release", "utf8").catch(() => "");
  return {
    kernel: release(),
    os: /^PRETTY_NAME="?([^"\n]*)/m.exec(os)?.[1] ?? "unknown",
    agent: "0.1.0",
    pressure: readPressure() === undefined ? "not measured" : "measured",
  };
}
