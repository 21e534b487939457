import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DesiredState } from "@plimsoll/contracts";
import { ifThere } from "@plimsoll/core";
import type { Identity } from "./identity.ts";

/**
 * The last desired state, on disk sealed by the host's key: with server, Postgres and Redis all down, a restarted agent or a
 * rebooted host brings back what belonged there (invariants 4 and 9). Builds, streams and routing acknowledgements are not replayed.
 */
export interface DesiredCache {
  store(desired: DesiredState): Promise<void>;
  load(): Promise<DesiredState | undefined>;
}

/** What was kept is of no use any more: the host is another by now. Idempotent. */
export async function forgetDesired(stateDir: string): Promise<void> {
  await rm(fileIn(stateDir), { force: true });
}

function fileIn(stateDir: string): string {
  return join(stateDir, "desired.sealed");
}

export function desiredCache(stateDir: string, identity: Identity): DesiredCache {
  const file = fileIn(stateDir);
  const key = createHash("sha256").update("plimsoll desired cache v1").update(Buffer.from(identity.privateKey, "base64")).digest();
  let last = "";
  return {
    async store(desired) {
      const text = JSON.stringify({ ...desired, builds: [], streams: [] });
      if (text === last) return;
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      await writeFile(`${file}.new`, Buffer.concat([nonce, cipher.getAuthTag(), body]), { mode: 0o600, flush: true });
      await rename(`${file}.new`, file);
      last = text;
    },
    async load() {
      const bytes = await ifThere(readFile(file));
      if (bytes === undefined) return undefined;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28));
      return DesiredState.parse(JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8")));
    },
  };
}
