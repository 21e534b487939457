import type { Socket } from "node:net";
import { exitHook, toGit, toPerson } from "./hook/frames.ts";
import { encodePacket, FLUSH, type Packet, PacketDecoder } from "./pkt-line.ts";
import { cleanLine } from "./render/text.ts";

const MAX_COMMANDS = 10_000;
const MAX_REF_BYTES = 1_000;
const MAX_REASON_BYTES = 1_000;

/** One ref that a client wants changed. `oldCommit` or `newCommit` of forty zeros: create, delete. */
export interface RefCommand {
  readonly oldCommit: string;
  readonly newCommit: string;
  readonly ref: string;
}

/** More refs than one push may have; the message is for the person. */
export class TooMuch extends Error {}

/** The answer for one ref: no reason means that it is as the client wants it. */
export interface RefReport {
  readonly ref: string;
  readonly rejected?: string;
}

export interface ReceivedCommands {
  readonly commands: readonly RefCommand[];
  /** All refs or none. */
  readonly atomic: boolean;
  readonly options: readonly string[];
}

/**
 * The server's side of git's proc-receive protocol (githooks, proc-receive) with one hook. `open` first, then any number of `say`,
 * then one `answer`.
 */
export class ProcReceive {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #decoder = new PacketDecoder();
  readonly #packets: Packet[] = [];
  readonly #gone = new AbortController();

  /** `first` is what the socket gave after the session's name. */
  constructor(socket: Socket, chunks: AsyncIterator<Buffer>, first: Buffer) {
    this.#socket = socket;
    this.#chunks = chunks;
    this.#packets.push(...this.#decoder.push(first));
  }

  /** Aborted when nobody listens any more: git, the hook or the client has ended. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Agrees on the protocol and reads what is pushed. Throws Error on anything that is not the protocol. */
  async open(): Promise<ReceivedCommands> {
    const [version = "", ...more] = await this.#section(10);
    const [number, features = ""] = version.split("\0");
    if (number !== "version=1" || more.length > 0) throw new Error("git speaks an unknown version of proc-receive");
    const agreed = features.split(" ").filter((feature) => feature === "push-options" || feature === "atomic");
    this.#socket.write(toGit(Buffer.concat([encodePacket(`version=1\0${agreed.join(" ")}\n`), FLUSH])));
    const commands = (await this.#section(MAX_COMMANDS)).map(parseCommand);
    const options = agreed.includes("push-options") ? await this.#section(1_000) : [];
    void this.#watch();
    return { commands, atomic: agreed.includes("atomic"), options };
  }

  /** Lines for the person; dropped when nobody listens. */
  say(lines: readonly string[]): void {
    if (lines.length > 0 && this.#socket.writable) this.#socket.write(toPerson(lines));
  }

  /** Ends the conversation: git passes the reports on to the client. */
  answer(reports: readonly RefReport[]): void {
    if (!this.#socket.writable) return;
    const packets = reports.map(({ ref, rejected }) =>
      encodePacket(rejected === undefined ? `ok ${ref}` : `ng ${ref} ${cleanLine(rejected).slice(0, MAX_REASON_BYTES)}`),
    );
    this.#socket.write(toGit(Buffer.concat([...packets, FLUSH])));
    this.#socket.end(exitHook(0));
  }

  /** The packets up to the next flush, as text without the line end. */
  async #section(limit: number): Promise<readonly string[]> {
    const lines: string[] = [];
    for (;;) {
      const packet = this.#packets.shift();
      if (packet === undefined) {
        const chunk = await this.#chunks.next();
        if (chunk.done === true) throw new Error("git ended in the middle of the conversation");
        this.#packets.push(...this.#decoder.push(chunk.value));
      } else if (packet.type === "flush") {
        return lines;
      } else {
        if (lines.length === limit)
          throw new TooMuch(`A push may change at most ${limit} refs: push branches and tags in several pushes, or fewer of them.`);
        lines.push(packet.payload.toString("utf8").replace(/\n$/, ""));
      }
    }
  }

  /** git sends nothing more: the end of the stream is the end of whoever waits. */
  async #watch(): Promise<void> {
    try {
      while ((await this.#chunks.next()).done !== true);
    } catch {
      // A broken socket says the same as its end.
    }
    this.#gone.abort();
  }
}

function parseCommand(line: string): RefCommand {
  const match = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.+)$/.exec(line);
  const [, oldCommit, newCommit, ref] = match ?? [];
  if (oldCommit === undefined || newCommit === undefined || ref === undefined || Buffer.byteLength(ref) > MAX_REF_BYTES) {
    throw new Error("git sent a command that is none");
  }
  return { oldCommit, newCommit, ref };
}
