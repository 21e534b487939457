import { LogLine } from "@plimsoll/contracts";
import { AppError, type Resource } from "@plimsoll/core";
import type { Api } from "../context.ts";
import { HEARTBEAT, HEARTBEAT_MS, sseEvent } from "../http/sse.ts";

/** Lines beyond are cut: a host that sends none must not fill our memory. */
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Asks an instance's host for its log; resolves when the host has begun to answer. `after` is the id of the last event that the reader
 * got from an earlier answer: it goes on behind that line, wherever it was read from.
 */
export async function openInstanceLog(
  api: Api,
  instance: Resource<"Instance">,
  wanted: { readonly tail: number; readonly follow: boolean; readonly after?: string },
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { hostUid, host } = instance.spec;
  const lease = (await api.db.platform.hostLeases()).get(hostUid);
  if (!lease?.live)
    throw new AppError("unavailable", `Host ${host}, where this instance's log is, has not been heard of; its log is safe there.`);
  const { uid, namespaceUid = "" } = instance.metadata;
  const wish = { kind: "instance-log", instanceUid: uid, namespaceUid, ...wanted } as const;
  return api.streams.open({ uid: hostUid, name: host }, wish, signal);
}

/** A host's answer (one JSON LogLine a line) as events; `end` when it is over. Cancels the answer when its reader leaves. */
export async function* logEvents(answer: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string, void> {
  const reader = answer.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let next: ReturnType<typeof reader.read> | undefined;
  try {
    yield ": following\n\n";
    while (!signal.aborted) {
      next ??= reader.read();
      const read = await within(next, HEARTBEAT_MS, signal);
      if (read === undefined) {
        if (!signal.aborted) yield HEARTBEAT;
        continue;
      }
      if (read.done) return yield sseEvent({ event: "end", data: {} });
      next = undefined;
      const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n");
      rest = (lines.pop() ?? "").slice(0, MAX_LINE_BYTES);
      const chunk = lines.map(lineEvent).join("");
      if (chunk !== "") yield chunk;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** What a host sends is judged like any input: what is no log line is left out. */
function lineEvent(line: string): string {
  try {
    const parsed = LogLine.safeParse(JSON.parse(line));
    if (!parsed.success) return "";
    const { cursor, ...data } = parsed.data;
    return sseEvent({ data, ...(cursor === undefined ? {} : { id: cursor }) });
  } catch {
    return "";
  }
}

/** The value, or undefined after `timeoutMs` or once aborted; the promise itself goes on. */
async function within<T>(promise: Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const leave = () => resolve(undefined);
  const timer = setTimeout(leave, timeoutMs);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
  }
}
