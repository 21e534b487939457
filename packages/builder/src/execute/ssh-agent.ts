import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { minimalEnv, run, start } from "@plimsoll/exec";

export interface SshAgentOptions {
  /** A directory of ours, in memory. */
  readonly scratchDir: string;
  /** For people: which key. */
  readonly id: string;
  /** A private key as OpenSSH writes them. */
  readonly key: Buffer;
  /** Host-side id that the agent program runs as: one that can do nothing here. */
  readonly agentId: number;
  /** Of the socket, host-side. */
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/**
 * An SSH agent that knows one key, and the socket at which a command may ask it to sign; the key itself cannot be had from it. Ends with
 * disposal. AppError `invalid` when the key cannot be used.
 *
 * The command does not reach the agent itself, which answers only its own user and root: a door of ours stands before it, whose owner and mode
 * are what the mount asks for.
 */
export async function startSshAgent(options: SshAgentOptions): Promise<AsyncDisposable & { readonly socket: string }> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(options.scratchDir, "ssh-"));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  chmodSync(dir, 0o711);
  const inner = join(dir, "agent");
  mkdirSync(inner, { mode: 0o700 });
  chownSync(inner, options.agentId, options.agentId);
  const agentSocket = join(inner, "socket");
  // -P: whoever may ask it may also ask it to load libraries from paths, and none is allowed.
  const agent = await start(["ssh-agent", "-D", "-P", "none", "-a", agentSocket], {
    uid: options.agentId,
    gid: options.agentId,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(agent, "exit");
  stack.defer(async () => {
    agent.kill("SIGKILL");
    await ended;
  });
  if (agent.stdout === null) throw new Error("the agent has no output");
  // It says where it listens once it does.
  await Promise.race([
    once(agent.stdout, "data"),
    ended.then(() => {
      throw new AppError("internal", "ssh-agent ended before it listened");
    }),
  ]);
  await addKey(agentSocket, options);
  const socket = join(dir, "socket");
  const connections = new Set<Socket>();
  const door = createServer((client) => pass(client, agentSocket, connections));
  stack.defer(() => close(door, connections));
  door.listen(socket);
  await once(door, "listening");
  chownSync(socket, options.uid, options.gid);
  chmodSync(socket, options.mode);
  const owned = stack.move();
  return { socket, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function addKey(agentSocket: string, { key, id }: SshAgentOptions): Promise<void> {
  const env = { ...minimalEnv, SSH_AUTH_SOCK: agentSocket, SSH_ASKPASS_REQUIRE: "never" };
  // Pasted keys have often lost the line break at their end, without which they are not read.
  const stdin = Buffer.concat([key, Buffer.from("\n")]);
  const { code } = await run(["ssh-add", "-q", "-"], { stdin, env, okCodes: [0, 1, 2] });
  if (code === 0) return;
  throw new AppError(
    "invalid",
    `the SSH key "${id}" cannot be used; it has to be a private key as ssh-keygen writes it, without a passphrase`,
  );
}

function pass(client: Socket, agentSocket: string, connections: Set<Socket>): void {
  const agent = connect(agentSocket);
  for (const [one, other] of [
    [client, agent],
    [agent, client],
  ] as const) {
    connections.add(one);
    one.on("error", () => other.destroy());
    one.once("close", () => {
      connections.delete(one);
      other.destroy();
    });
    one.pipe(other);
  }
}

async function close(door: Server, connections: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise((resolve) => door.close(resolve));
  for (const connection of connections) connection.destroy();
  await closed;
}
