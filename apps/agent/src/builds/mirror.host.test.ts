import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { run, start } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GitMirrors, type UploadPack } from "./mirror.ts";

let directory: string;
let origin: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "plimsoll-mirror-"));
  origin = join(directory, "origin");
  await run(["git", "init", "-q", "-b", "main", origin]);
  await git("config", "uploadpack.allowAnySHA1InWant", "true");
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const git = async (...args: string[]) =>
  (await run(["git", "-C", origin, "-c", "user.name=Ana", "-c", "user.email=ana@acme.example", ...args])).stdout.trim();

async function commit(name: string, content: string): Promise<string> {
  await writeFile(join(origin, name), content);
  await git("add", "-A");
  await git("commit", "-q", "-m", name);
  return git("rev-parse", "HEAD");
}

/** What the server does with one round. */
const uploadPack: UploadPack = async (body) => {
  const child = await start(["git", "upload-pack", "--stateless-rpc", origin], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin?.end(body);
  if (child.stdout === null) throw new Error("no output");
  return child.stdout;
};

describe("GitMirrors", () => {
  it("brings commit after commit, each with what the ones before left out", async () => {
    const mirrors = new GitMirrors(join(directory, "mirrors"));
    for (let i = 1; i <= 5; i++) {
      const id = await commit("file", `version ${i}`);
      const repository = await mirrors.ensureCommit("app_1", id, uploadPack);
      expect((await run(["git", "-C", repository, "show", `${id}:file`])).stdout).toBe(`version ${i}`);
    }
  });

  it("fetches a commit once when several builds want it, and not again later", async () => {
    const mirrors = new GitMirrors(join(directory, "once"));
    const id = await commit("file", "once");
    let rounds = 0;
    const counted: UploadPack = (body) => {
      rounds++;
      return uploadPack(body);
    };
    await Promise.all([1, 2, 3].map(() => mirrors.ensureCommit("app_1", id, counted)));
    await mirrors.ensureCommit("app_1", id, counted);
    expect(rounds).toBe(1);
  });

  it("takes a large push as a pack", async () => {
    await Promise.all(Array.from({ length: 300 }, (_, i) => writeFile(join(origin, `many-${i}`), `file ${i}`)));
    const id = await commit("large", "x");
    const repository = await new GitMirrors(join(directory, "large")).ensureCommit("app_1", id, uploadPack);
    expect((await run(["git", "-C", repository, "show", `${id}:many-299`])).stdout).toBe("file 299");
  });

  it("says so when the answer is cut off, and tries anew the next time", async () => {
    const mirrors = new GitMirrors(join(directory, "cut"));
    const id = await commit("file", "cut");
    const cut: UploadPack = async (body) => {
      const whole = await uploadPack(body);
      const chunks: Buffer[] = [];
      whole.on("data", (chunk: Buffer) => chunks.push(chunk));
      await once(whole, "end");
      return Readable.from([Buffer.concat(chunks).subarray(0, 60)]);
    };
    await expect(mirrors.ensureCommit("app_1", id, cut)).rejects.toMatchObject({ code: "unavailable" });
    await mirrors.ensureCommit("app_1", id, uploadPack);
  });

  it("forgets mirrors that nobody asks for, and fetches anew when somebody does", async () => {
    const mirrors = new GitMirrors(join(directory, "idle"));
    const id = await commit("file", "idle");
    const repository = await mirrors.ensureCommit("app_1", id, uploadPack);
    await mirrors.collect(60_000);
    expect(existsSync(repository)).toBe(true);
    await mirrors.collect(0);
    expect(existsSync(repository)).toBe(false);
    await mirrors.ensureCommit("app_1", id, uploadPack);
  });

  it("never takes what is not its own, however old it is", async () => {
    const place = join(directory, "foreign");
    const mirrors = new GitMirrors(place);
    const id = await commit("file", "foreign");
    const repository = await mirrors.ensureCommit("app_1", id, uploadPack);
    const foreign = [join(place, "README"), join(place, "backup/x"), join(place, ".git/x"), join(place, "lost+found/x")];
    for (const path of foreign) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, "mine");
    }
    await mirrors.collect(0);
    for (const path of foreign) expect(existsSync(path), path).toBe(true);
    // The control: its own went.
    expect(existsSync(repository)).toBe(false);
  });

  it("passes the server's refusal on", async () => {
    const mirrors = new GitMirrors(join(directory, "refused"));
    await expect(mirrors.ensureCommit("app_1", "f".repeat(40), uploadPack)).rejects.toThrow(/not our ref/);
  });
});
