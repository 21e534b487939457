import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodePacket, FLUSH } from "../pkt-line.ts";
import type { ReceivedCommands } from "../proc-receive.ts";
import { HookServer } from "./server.ts";

const A = "a".repeat(40);
let directory: string;
let server: HookServer<string>;
let log: string[];
let opened: ReceivedCommands[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "plimsoll-hook-"));
  log = [];
  opened = [];
  const note = (message: string, fields?: Readonly<Record<string, unknown>>) => void log.push(`${message}: ${JSON.stringify(fields)}`);
  server = new HookServer<string>(
    join(directory, "s"),
    async (_session, conversation) => {
      const received = await conversation.open();
      opened.push(received);
      conversation.say(["hello"]);
      conversation.answer(received.commands.map(({ ref }) => ({ ref, rejected: "no\nway" })));
    },
    { info: note, warn: note, error: note },
  );
  await server.listen();
});

afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

/** All that the server sends to a hook that sends this and then waits. */
function talk(...sent: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(join(directory, "s"), () => {
      for (const part of sent) socket.write(part);
    });
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received));
  });
}

const nameOf = (session: string) => server.admit(session).environment.PLIMSOLL_HOOK_SESSION ?? "";
const hello = Buffer.concat([encodePacket("version=1\0push-options atomic object-format=sha1"), FLUSH]);
const frame = (kind: number, payload: string) => `${String.fromCharCode(kind, 0, 0, 0, payload.length)}${payload}`;

describe("the conversation with a hook", () => {
  it("agrees on the version, takes commands and options, and answers on one line each", async () => {
    const command = encodePacket(`${A} ${A} refs/heads/main\n`);
    const answer = await talk(`${nameOf("one")}\n`, hello, Buffer.concat([command, FLUSH, encodePacket("ci.skip"), FLUSH]));
    expect(opened).toEqual([{ commands: [{ oldCommit: A, newCommit: A, ref: "refs/heads/main" }], atomic: true, options: ["ci.skip"] }]);
    const agreed = frame(1, "0022version=1\0push-options atomic\n0000");
    expect(answer).toBe(`${agreed}${frame(2, "hello\n")}${frame(1, "001cng refs/heads/main noway0000")}${frame(3, "\0")}`);
  });

  it.each([
    ["no pkt-line", ["GET / HTTP/1.1\r\n\r\n"]],
    ["an unknown version", [encodePacket("version=2\0"), FLUSH]],
    ["a command that is none", [hello, encodePacket("rm -rf /"), FLUSH]],
    ["a commit that is none", [hello, encodePacket(`${A} HEAD refs/heads/main`), FLUSH]],
    ["a ref of great length", [hello, encodePacket(`${A} ${A} refs/heads/${"x".repeat(2000)}`), FLUSH]],
    ["lines without end", [hello, ...Array<Buffer>(11_000).fill(encodePacket(`${A} ${A} refs/heads/x`))]],
  ])("ends with %s", async (_what, sent) => {
    const answer = await talk(`${nameOf("one")}\n`, ...sent);
    expect(answer.endsWith(frame(3, "\u0001"))).toBe(true);
    expect(opened).toEqual([]);
    expect(log.join()).toContain("a git hook's conversation broke off");
  });

  it("takes a session's name once", async () => {
    const name = nameOf("one");
    await talk(`${name}\n`, hello, FLUSH, FLUSH);
    expect(opened).toHaveLength(1);
    expect(await talk(`${name}\n`, hello, FLUSH, FLUSH)).toContain("This push is not known to the platform");
    expect(opened).toHaveLength(1);
  });

  it("forgets a session whose git process has ended", async () => {
    const admission = server.admit("one");
    admission.forget();
    expect(await talk(`${admission.environment.PLIMSOLL_HOOK_SESSION}\n`, hello)).toContain("This push is not known to the platform");
  });

  it("listens to no name without end", async () => {
    await talk("x".repeat(10_000));
    expect(log.join()).toContain("a hook sent no session name");
  });
});
