import { Agent, type IncomingMessage, request } from "node:http";

export interface LoadOptions {
  readonly address: string;
  readonly port: number;
  /** The Host header: which app. */
  readonly host: string;
  readonly path?: string;
  readonly method?: "GET" | "POST";
  /** Sent with POST. */
  readonly body?: string;
  /** Keep-alive connections, each with one request at a time. Default 8. */
  readonly connections?: number;
  /** Pause of a connection between two requests, so that the meter does not starve what it measures. Default 2. */
  readonly pauseMs?: number;
  /** A request that takes longer has failed. Default 5,000. */
  readonly timeoutMs?: number;
  /** Judges a response of status 2xx; false counts it as failed. */
  readonly accept?: (body: string) => boolean;
}

export interface LoadFailure {
  /** Milliseconds since the start. */
  readonly atMs: number;
  /** How long it was under way. */
  readonly tookMs: number;
  /** `reset`, `refused`, `timeout`, `truncated`, `status 503`, `body`, … */
  readonly reason: string;
}

export interface LoadReport {
  readonly requests: number;
  readonly failures: readonly LoadFailure[];
  /** Between two responses of all connections together: a gap shows here although nothing failed. */
  readonly longestGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Responses by body (its first 100 characters): which version answered how often. */
  readonly bodies: ReadonlyMap<string, number>;
}

export interface Load {
  /** So far; the load goes on. */
  report(): LoadReport;
  /** Lets requests under way end and returns the whole. */
  stop(): Promise<LoadReport>;
}

/**
 * Keeps requesting over keep-alive connections and counts strictly: whatever is not a complete 2xx response has failed, also where a
 * browser would have tried again – resets of a kept connection, refused connections, timeouts, truncated bodies, error pages.
 */
export function startLoad(options: LoadOptions): Load {
  const connections = options.connections ?? 8;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const startedMs = performance.now();
  const latencies: number[] = [];
  const failures: LoadFailure[] = [];
  const bodies = new Map<string, number>();
  let isStopping = false;
  let lastMs = startedMs;
  let longestGapMs = 0;

  const once = async () => {
    const beganMs = performance.now();
    const outcome = await attempt(options, agent);
    const endedMs = performance.now();
    latencies.push(endedMs - beganMs);
    if ("reason" in outcome) {
      failures.push({ atMs: beganMs - startedMs, tookMs: endedMs - beganMs, reason: outcome.reason });
      return;
    }
    longestGapMs = Math.max(longestGapMs, endedMs - lastMs);
    lastMs = endedMs;
    const body = outcome.body.slice(0, 100);
    bodies.set(body, (bodies.get(body) ?? 0) + 1);
  };
  const connection = async () => {
    while (!isStopping) {
      await once();
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs ?? 2));
    }
  };
  const running = Promise.all(Array.from({ length: connections }, connection));

  const report = (): LoadReport => {
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    // A gap that has not ended counts too.
    const openGapMs = isStopping ? 0 : performance.now() - lastMs;
    return {
      requests: latencies.length,
      failures: [...failures],
      longestGapMs: Math.max(longestGapMs, openGapMs),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: sorted.at(-1) ?? 0,
      bodies: new Map(bodies),
    };
  };
  return {
    report,
    stop: async () => {
      const { longestGapMs: soFar } = report();
      longestGapMs = Math.max(longestGapMs, soFar);
      isStopping = true;
      await running;
      agent.destroy();
      return report();
    },
  };
}

type Outcome = { readonly body: string } | { readonly reason: string };

function attempt(options: LoadOptions, agent: Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    const timeoutMs = options.timeoutMs ?? 5_000;
    const body = options.method === "POST" ? (options.body ?? "") : undefined;
    const outgoing = request({
      agent,
      host: options.address,
      port: options.port,
      path: options.path ?? "/",
      method: options.method ?? "GET",
      headers: { host: options.host, ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }) },
    });
    // Over the whole request: a response that trickles counts as well.
    const timer = setTimeout(() => outgoing.destroy(new Error("timeout")), timeoutMs);
    const done = (outcome: Outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    };
    outgoing.on("error", (error) => done({ reason: reasonOf(error) }));
    outgoing.on("response", (response) => {
      readBody(response).then(
        (text) => done(judge(response.statusCode ?? 0, text, options)),
        (error: unknown) => done({ reason: error instanceof Error && error.message === "timeout" ? "timeout" : "truncated" }),
      );
    });
    outgoing.end(body);
  });
}

function judge(status: number, body: string, options: LoadOptions): Outcome {
  if (status < 200 || status > 299) return { reason: `status ${status}` };
  return options.accept?.(body) === false ? { reason: "body" } : { body };
}

/** Rejects when the connection ends before the body does. */
async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  if (!response.complete) throw new Error("truncated");
  return Buffer.concat(chunks).toString("utf8");
}

function reasonOf(error: Error): string {
  const code = "code" in error ? error.code : undefined;
  if (code === "ECONNRESET" || code === "EPIPE") return "reset";
  if (code === "ECONNREFUSED") return "refused";
  return error.message;
}
