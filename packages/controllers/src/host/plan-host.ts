import type { Status } from "@plimsoll/core";
import { type HostState, LOST_AFTER_MS } from "../host-states.ts";

export interface HostPlan {
  /** The host's new status; absent when it stays. */
  readonly status?: Status<"Host">;
  readonly event?: { readonly type: "normal" | "warning"; readonly reason: string; readonly message: string };
  /** What runs there, or goes through there, is to be looked at again. */
  readonly wakeApps: boolean;
  readonly againInMs?: number;
}

/**
 *   phase         lease               becomes        what is done
 *   ────────────  ──────────────────  ─────────────  ───────────────────────────────────────────────────────────────
 *   ready         over                unreachable    apps there are looked at: routers there are not waited for
 *   unreachable   over for 60 s       unreachable    apps there are looked at again: their instances are lost, and each app tells so
 *   unreachable   lives               ready          apps there are looked at
 */
export function planHost({ host, live, unheard, silentMs }: HostState): HostPlan {
  const { status, metadata } = host;
  if (live) {
    if (status.phase === "ready" && status.message === undefined) return { wakeApps: false };
    const { message: _, ...rest } = status;
    const event = { type: "normal", reason: "HostReady", message: `Host ${metadata.name} answers again.` } as const;
    return { status: { ...rest, phase: "ready" }, ...(status.phase === "ready" ? {} : { event }), wakeApps: true };
  }
  const lost = silentMs > LOST_AFTER_MS;
  const message = unheard
    ? "It was enrolled and has not been heard of yet. Should that stay so, look at its agent (npm run status there) and its network."
    : lost
      ? "It has not been heard of for more than a minute; its instances are replaced on other hosts. Look at its agent and its network."
      : "It is not heard of; its instances go on running. After a minute they are replaced on other hosts.";
  const wait = lost ? {} : { againInMs: LOST_AFTER_MS - silentMs + 50 };
  if (status.phase === "unreachable" && status.message === message) return { wakeApps: false, ...wait };
  const event = { type: "warning", reason: "HostUnreachable", message: `Host ${metadata.name}: ${message}` } as const;
  return {
    status: { ...status, phase: "unreachable", message },
    ...(status.phase === "unreachable" ? {} : { event }),
    wakeApps: true,
    ...wait,
  };
}
