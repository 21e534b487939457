import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { start } from "@plimsoll/exec";
import { inside } from "../cluster/index.ts";

export interface ProbeOptions {
  readonly port: number;
  /** The Host header. */
  readonly host: string;
  /** The body of the new release, without white space around it. */
  readonly wanted: string;
  readonly everyMs: number;
}

/** What a probe came to: the body of a complete 200, or why there is none. */
export type ProbeAnswer = { readonly body: string } | { readonly failure: string };
export type Probed = ProbeAnswer & { readonly sentAtMs: number; readonly endedAtMs: number };

export interface ProbeReport {
  readonly requests: number;
  /** Everything that was no complete 200. Times in milliseconds since 1970. */
  readonly failures: readonly { readonly atMs: number; readonly reason: string }[];
  /** Between two answers of 200. */
  readonly longestGapMs: number;
}

export type ProbeEvent =
  | { readonly kind: "ready" }
  | { readonly kind: "first"; readonly atMs: number }
  | { readonly kind: "end"; readonly report: ProbeReport };

/** A prober that waits for its start. */
export interface Probe {
  /** Sends the first probe now, and the others in their time. */
  begin(): void;
  /** When the wanted body came first, in milliseconds since 1970. Rejects when it did not within the time. */
  whenFirst(timeoutMs: number): Promise<number>;
  /** Lets what is under way end. Idempotent. */
  end(): Promise<ProbeReport>;
}

const REQUEST_TIMEOUT_MS = 5_000;

/** Counts strictly what was answered. */
export class ProbeRecord {
  readonly #wanted: string;
  readonly #failures: { atMs: number; reason: string }[] = [];
  #requests = 0;
  #seen = false;
  #lastAtMs: number | undefined;
  #longestGapMs = 0;

  constructor(wanted: string) {
    this.#wanted = wanted;
  }

  /** True for the first answer with the wanted body. */
  add(probed: Probed): boolean {
    this.#requests++;
    if ("failure" in probed) {
      this.#failures.push({ atMs: probed.sentAtMs, reason: probed.failure });
      return false;
    }
    this.#longestGapMs = Math.max(this.#longestGapMs, probed.endedAtMs - (this.#lastAtMs ?? probed.endedAtMs));
    this.#lastAtMs = probed.endedAtMs;
    const isFirst = !this.#seen && probed.body.trim() === this.#wanted;
    this.#seen ||= isFirst;
    return isFirst;
  }

  report(): ProbeReport {
    return { requests: this.#requests, failures: [...this.#failures], longestGapMs: this.#longestGapMs };
  }
}

/** One GET on a connection of its own. Never rejects. */
export function askOnce({ port, host }: ProbeOptions): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path: "/", headers: { host }, agent: false }, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        body += chunk;
      });
      answer.once("close", () => {
        clearTimeout(timer);
        if (!answer.complete) resolve({ failure: "truncated" });
        else resolve(answer.statusCode === 200 ? { body } : { failure: `status ${answer.statusCode}` });
      });
    });
    const timer = setTimeout(() => asked.destroy(new Error("timeout")), REQUEST_TIMEOUT_MS);
    asked.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      resolve({ failure: error.code ?? error.message });
    });
    asked.end();
  });
}

/** Starts a prober where the ports are – a network namespace, or ours –, and resolves when it is ready to begin. */
export async function startProbe(netns: string | undefined, options: ProbeOptions): Promise<Probe> {
  const program = [process.execPath, join(import.meta.dirname, "probe-main.ts"), JSON.stringify(options)];
  const child = await start(netns === undefined ? program : inside(netns, program), { stdio: ["pipe", "pipe", "inherit"] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("the prober has no pipes");
  const events = new Map<ProbeEvent["kind"], PromiseWithResolvers<ProbeEvent>>();
  for (const kind of ["ready", "first", "end"] as const) events.set(kind, settledQuietly());
  createInterface({ input: stdout })
    .on("line", (line) => {
      const event = JSON.parse(line) as ProbeEvent;
      events.get(event.kind)?.resolve(event);
    })
    .once("close", () => {
      for (const { reject } of events.values()) reject(new Error("the prober has ended"));
    });
  const event = async <K extends ProbeEvent["kind"]>(kind: K) => (await events.get(kind)?.promise) as Extract<ProbeEvent, { kind: K }>;
  await event("ready");

  let ended: Promise<ProbeReport> | undefined;
  return {
    begin: () => void stdin.write("\n"),
    whenFirst: async (timeoutMs) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no 200 from the new release within ${timeoutMs} ms`)), timeoutMs);
      });
      try {
        return (await Promise.race([event("first"), late])).atMs;
      } finally {
        clearTimeout(timer);
      }
    },
    end: () => {
      ended ??= (async () => {
        stdin.end();
        const { report } = await event("end");
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
        return report;
      })();
      return ended;
    },
  };
}

/** What nobody waits for must not end this process when it fails. */
function settledQuietly(): PromiseWithResolvers<ProbeEvent> {
  const event = Promise.withResolvers<ProbeEvent>();
  event.promise.catch(() => undefined);
  return event;
}
