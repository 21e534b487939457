import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { postgresUrl } from "../../scripts/platform/postgres.ts";
import type { Platform } from "./platform.ts";

/** One change of an object, as the platform's own watchers read it. */
export interface Change {
  readonly scope: string;
  readonly version: number;
  readonly type: "created" | "updated" | "deleted";
  readonly kind: string;
  readonly uid: string;
  readonly object: {
    readonly metadata: { readonly uid: string; readonly name: string; readonly ownerUid?: string };
    readonly spec: Readonly<Record<string, unknown>>;
    readonly status: Readonly<Record<string, unknown>>;
  };
}

/** Reconnecting is tried this often while PostgreSQL is away: it is killed in tests. */
const RECONNECT_MS = 50;
const LOOK_ANYWAY_MS = 250;

/** Rows of one statement, tried again while PostgreSQL is being restarted, at most for 30 s. */
export async function query<T extends object = Record<string, unknown>>(
  platform: Platform,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly T[]> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const client = newClient(platform);
    try {
      await client.connect();
      return (await client.query<T>(text, [...values])).rows;
    } catch (error) {
      if (!isAway(error) || performance.now() > deadline) throw error;
      await sleep(RECONNECT_MS);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/**
 * Every change of a scope after a version, in order, as it is committed: woken by NOTIFY, and read from where it was after a lost
 * connection, so that nothing is missed. Ends with the signal.
 */
export async function* changes(platform: Platform, scope: string, after: number, signal: AbortSignal): AsyncGenerator<Change> {
  const text = "SELECT scope, version::int, type, kind, uid, object FROM changes WHERE scope = $1 AND version > $2 ORDER BY version";
  let version = after;
  for await (const client of looks(platform, scope, signal)) {
    for (const row of (await unlessAway(client.query<Change>(text, [scope, version])))?.rows ?? []) {
      version = row.version;
      yield row;
    }
  }
}

/** The version that a scope has reached. */
export async function versionOf(platform: Platform, scope: string): Promise<number> {
  return (await query<{ value: number }>(platform, "SELECT value::int FROM counters WHERE scope = $1", [scope]))[0]?.value ?? 0;
}

/**
 * Resolves with the first answer of `read` that is not undefined; asks again whenever the scope changes. Throws when there is none within
 * `timeoutMs`, with what `what` says was waited for.
 */
export async function untilChanged<T>(
  platform: Platform,
  scope: string,
  what: string,
  timeoutMs: number,
  read: (client: pg.Client) => Promise<T | undefined>,
): Promise<T> {
  for await (const client of looks(platform, scope, AbortSignal.timeout(timeoutMs))) {
    const found = await unlessAway(read(client));
    if (found !== undefined) return found;
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`);
}

/** A connection, each time that it is worth to look: at once, after every change of the scope, and after it was lost and made again. */
async function* looks(platform: Platform, scope: string, signal: AbortSignal): AsyncGenerator<pg.Client> {
  while (!signal.aborted) {
    const client = newClient(platform);
    const wakes = new Wakes(signal);
    let lost = false;
    client.on("notification", ({ payload }) => payload === scope && wakes.wake());
    client.on("end", () => {
      lost = true;
      wakes.wake();
    });
    try {
      await client.connect();
      await client.query("LISTEN plimsoll_changes");
      while (!signal.aborted && !lost) {
        yield client;
        await wakes.next();
      }
    } catch (error) {
      if (!isAway(error)) throw error;
      await sleep(RECONNECT_MS);
    } finally {
      wakes.end();
      await client.end().catch(() => undefined);
    }
  }
}

async function unlessAway<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isAway(error)) return undefined;
    throw error;
  }
}

function newClient(platform: Platform): pg.Client {
  const client = new pg.Client({ connectionString: postgresUrl(platform.layout), connectionTimeoutMillis: 5_000 });
  // Told by the query that fails; without a listener it would end this process.
  client.on("error", () => undefined);
  return client;
}

/** Whether PostgreSQL was killed, or is not up again yet; anything else is an error of the test. */
function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = "" } = error as NodeJS.ErrnoException;
  return (
    /^(57P0[123]|08\w{3}|ECONN\w+|ENOENT|EPIPE)$/.test(code) || /terminated|not queryable|Connection|timeout expired/i.test(error.message)
  );
}

/** Wakes that come while nobody waits count for the next wait. */
class Wakes {
  #pending = false;
  #waiting: (() => void) | undefined;
  readonly #signal: AbortSignal;
  readonly #wake = () => this.wake();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#wake);
  }

  wake(): void {
    this.#pending = true;
    this.#waiting?.();
  }

  /** The pushes' own rows change without a notification of their scope: hence a look now and then. */
  async next(): Promise<void> {
    if (!this.#pending && !this.#signal.aborted) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        timer = setTimeout(resolve, LOOK_ANYWAY_MS);
      });
      clearTimeout(timer);
    }
    this.#pending = false;
    this.#waiting = undefined;
  }

  end(): void {
    this.#signal.removeEventListener("abort", this.#wake);
  }
}
