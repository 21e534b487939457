import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import ssh2, { type ParsedKey } from "ssh2";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GitWorld, type Person } from "../git-fixture.ts";
import { ensureHostKey } from "./host-key.ts";
import { SshServer } from "./server.ts";

let world: GitWorld;
beforeEach(async () => {
  world = await GitWorld.open();
});
afterEach(() => world.close());

/** An agent that shows one key and signs with another. */
class TwoFacedAgent extends ssh2.BaseAgent<ParsedKey> {
  readonly shown: ParsedKey;
  readonly used: ParsedKey;
  constructor(shown: ParsedKey, used: ParsedKey) {
    super();
    this.shown = shown;
    this.used = used;
  }
  override getIdentities(done: (error: Error | undefined, keys?: ParsedKey[]) => void): void {
    done(undefined, [this.shown]);
  }
  override sign(_key: unknown, data: Buffer, options: unknown, done?: (error: Error | undefined, signature?: Buffer) => void): void {
    const signature = this.used.sign(data);
    const answer = typeof options === "function" ? (options as NonNullable<typeof done>) : done;
    if (signature instanceof Error) answer?.(signature);
    else answer?.(undefined, signature);
  }
}

async function keyOf(person: Person): Promise<ParsedKey> {
  const key = ssh2.utils.parseKey(await readFile(join(person.home, "id")));
  if (key instanceof Error) throw key;
  return key;
}

/** True when the server lets this key in. */
function logIn(agent: ssh2.BaseAgent<ParsedKey>, username = "git"): Promise<boolean> {
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    client.on("ready", () => {
      client.end();
      resolve(true);
    });
    client.on("error", () => resolve(false));
    client.connect({ host: "127.0.0.1", port: world.sshPort, username, agent });
  });
}

describe("who is let in over SSH", () => {
  it("is who signs with a known key, not who shows it", async () => {
    const ana = await keyOf(await world.person("Ana"));
    const eve = await keyOf(await world.person("Eve", { known: false }));
    expect(await logIn(new TwoFacedAgent(ana, eve))).toBe(false);
    expect(world.log.join("\n")).toContain("an SSH signature did not verify");
    // The control: the same agent with the right key.
    expect(await logIn(new TwoFacedAgent(ana, ana))).toBe(true);
  });

  it("comes as user git", async () => {
    const ana = await keyOf(await world.person("Ana"));
    expect(await logIn(new TwoFacedAgent(ana, ana), "root")).toBe(false);
  });

  it("is asked for a limited number of keys", async () => {
    const ana = await world.person("Ana");
    await ana.trust();
    const asked: string[] = [];
    world.platform.authenticateKey = async (fingerprint) => {
      asked.push(fingerprint);
      return undefined;
    };
    const keys = Array.from({ length: 30 }, (_, at) => join(ana.home, `key-${at}`));
    for (const key of keys) await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
    const [program = "", ...options] = ana.sshCommand;
    const many = keys.flatMap((key) => ["-i", key]);
    const tried = await run([program, ...options, ...many, "-p", String(world.sshPort), "git@127.0.0.1", "x"], {
      env: ana.env,
      okCodes: [255],
    });
    expect(tried.code).toBe(255);
    // One attempt goes to OpenSSH's question which methods there are.
    expect(asked.length).toBe(23);
  });

  it("has not much time for it, unless the key is proved", async () => {
    const ana = await keyOf(await world.person("Ana"));
    const server = new SshServer({
      hostKey: await ensureHostKey(join(world.directory, "other_key")),
      ports: world.platform,
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      portalUrl: "",
      loginMs: 500,
      openGit: () => Promise.reject(new Error("not asked for")),
    });
    const port = await server.listen("127.0.0.1", 0);
    try {
      const cutAfterMs = await new Promise<number>((resolve) => {
        const since = performance.now();
        const socket = connect(port, "127.0.0.1");
        socket.resume();
        socket.on("close", () => resolve(performance.now() - since));
      });
      expect(cutAfterMs).toBeGreaterThan(400);
      expect(cutAfterMs).toBeLessThan(2_000);
      const client = new ssh2.Client();
      let closed = false;
      client.on("close", () => {
        closed = true;
      });
      await new Promise<void>((resolve, reject) => {
        client.on("ready", () => resolve()).on("error", reject);
        client.connect({ host: "127.0.0.1", port, username: "git", agent: new TwoFacedAgent(ana, ana) });
      });
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect(closed).toBe(false);
      client.end();
    } finally {
      await server.close();
    }
  });

  it("does not stop the server with packets of no size", async () => {
    const ana = await keyOf(await world.person("Ana"));
    const client = new ssh2.Client();
    const ended = new Promise<void>((resolve) => client.on("close", () => resolve()));
    await new Promise<void>((resolve, reject) => {
      client.on("ready", () => resolve()).on("error", reject);
      client.connect({ host: "127.0.0.1", port: world.sshPort, username: "git", agent: new TwoFacedAgent(ana, ana) });
    });
    const { _protocol: protocol } = client as unknown as { _protocol: { session(channel: number, window: number, packet: number): void } };
    const session = protocol.session.bind(protocol);
    protocol.session = (channel, window) => session(channel, window, 0);
    client.exec("git-receive-pack '/acme/store/shop.git'", () => undefined);
    await ended;
    expect(await logIn(new TwoFacedAgent(ana, ana))).toBe(true);
  });
});
