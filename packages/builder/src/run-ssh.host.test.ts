import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, fillBusybox, imageOf } from "./testing/build-host.ts";

describe("RUN --mount=type=ssh", () => {
  let host: BuildHost;
  let key = "";
  let encryptedKey = "";
  let fingerprint = "";

  beforeAll(async () => {
    host = await BuildHost.open();
    const libraries = (await run(["ldd", "/usr/bin/ssh-add"])).stdout.match(/\/\S+/g) ?? [];
    await host.addBase("ssh", (root) => {
      fillBusybox(root);
      for (const file of ["/usr/bin/ssh-add", ...libraries]) {
        mkdirSync(dirname(join(root, file)), { recursive: true });
        copyFileSync(file, join(root, file));
        chmodSync(join(root, file), 0o755);
      }
    });
    const dir = mkdtempSync(join(tmpdir(), "plimsoll-ssh-key-"));
    try {
      for (const [name, passphrase] of [
        ["plain", ""],
        ["encrypted", "words"],
      ] as const)
        await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "of a test", "-f", join(dir, name)]);
      key = readFileSync(join(dir, "plain"), "utf8");
      encryptedKey = readFileSync(join(dir, "encrypted"), "utf8");
      fingerprint = (await run(["ssh-keygen", "-l", "-f", join(dir, "plain.pub")])).stdout.split(" ")[1] ?? "";
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  const build = (command: string, secrets: Readonly<Record<string, string>>) =>
    host.build({ Dockerfile: `FROM ssh\n${command}\n` }, { request: { secrets } });

  it("lets one command use the app's key, and keeps nothing of it", async () => {
    const done = await build("RUN --mount=type=ssh ssh-add -l && echo $SSH_AUTH_SOCK && touch /made", { SSH_KEY: key.trimEnd() });
    expect(done.log).toContain(fingerprint);
    expect(done.log).toContain("/run/buildkit/ssh_agent.0\n");
    const layer = host.layerTree(imageOf(done), -1);
    expect(layer.readdir("/").map(String)).toEqual(["made"]);
    expect(JSON.stringify([imageOf(done), done.events])).not.toContain(key.split("\n")[2]);
    const after = await build("RUN ssh-add -l", { SSH_KEY: key });
    expect(failureOf(after).reason).toBe("command");
  });

  it("takes keys by their id, and gives the socket to whom the mount says", async () => {
    const secrets = { SSH_KEY_DEPLOY: key };
    const recipe = (uid: number) =>
      `RUN --mount=type=tmpfs,target=/tmp true\nUSER app\nRUN --mount=type=ssh,id=deploy,uid=${uid},target=/tmp/s ssh-add -l`;
    expect((await build(recipe(1000), secrets)).log).toContain(fingerprint);
    const roots = await build(recipe(0), secrets);
    expect(failureOf(roots)).toMatchObject({ reason: "command" });
    expect(roots.log).toContain("Permission denied");
  });

  it("goes without where no key is needed, and says which one is missing where it is", async () => {
    expect((await build('RUN --mount=type=ssh test -n "$SSH_AUTH_SOCK" && test ! -e "$SSH_AUTH_SOCK" && echo none', {})).log).toContain(
      "none\n",
    );
    const missing = await build("RUN --mount=type=ssh,id=git-hub,required ssh-add -l", { SSH_KEY: key });
    expect(failureOf(missing)).toMatchObject({
      reason: "context",
      line: 2,
      message: expect.stringContaining("Set it, then push again: `plim secrets set APP SSH_KEY_GIT_HUB --from FILE`"),
    });
  });

  it.each([
    ["what is no key", () => "no key"],
    ["a key with a passphrase", () => encryptedKey],
  ])("says so of %s", async (_, secret) => {
    const failure = failureOf(await build("RUN --mount=type=ssh ssh-add -l", { SSH_KEY: secret() }));
    expect(failure).toMatchObject({
      reason: "context",
      line: 2,
      message: expect.stringMatching(/SSH key "default" cannot be used.*without a passphrase/),
    });
  });

  it("loads no library into the agent for a command, and ends the agent with it", async () => {
    const asked = await build("RUN --mount=type=ssh ssh-add -s /lib/x86_64-linux-gnu/libc.so.6 < /dev/null; ssh-add -l", { SSH_KEY: key });
    expect(asked.log).toContain("Could not add card");
    expect(asked.log).toContain(fingerprint);
    const { stdout } = await run(["ps", "-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line.startsWith("ssh-agent") && line.includes(host.layout.tag))).toEqual([]);
  });
});
