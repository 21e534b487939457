import type { Kind, Metadata, ProcessSpec, Resource, Spec, Status } from "@plimsoll/core";
import type { HostState } from "../host-states.ts";
import { image } from "./platform.ts";

/** Objects as plain data, for tests of pure plans. */
export const START = Date.parse("2026-11-20T10:00:00Z");

const onePort: ProcessSpec = {
  replicas: 2,
  cpuMillis: 250,
  memoryBytes: 256 * 1024 ** 2,
  port: 8080,
  readiness: { kind: "tcp", timeoutMs: 60_000 },
  stopGraceMs: 1_000,
};
export const processes = { web: onePort };

function metadata<K extends Kind>(kind: K, name: string, over: Partial<Metadata> = {}): Metadata & { kind: K } {
  return {
    uid: name,
    name,
    team: "acme",
    teamUid: "team_1",
    namespace: "store",
    namespaceUid: "ns_1",
    labels: {},
    generation: 1,
    version: 1,
    createdAt: new Date(START).toISOString(),
    finalizers: [],
    ...over,
    kind,
  };
}

export function anApp(spec: Partial<Spec<"App">> = {}, status: Partial<Status<"App">> = {}): Resource<"App"> {
  return {
    metadata: metadata("App", "shop"),
    spec: { source: { kind: "git" }, processes, env: {}, secrets: {}, ...spec },
    status: { observedGeneration: 0, phase: "empty", urls: [], processes: {}, ...status },
  };
}

const oneImage = image();

export function aRelease(number: number, of: Readonly<Record<string, ProcessSpec>> = processes): Resource<"Release"> {
  const fixed = Object.fromEntries(Object.entries(of).map(([name, { replicas: _, ...rest }]) => [name, rest]));
  return {
    metadata: metadata("Release", `shop-v${number}`, { ownerUid: "shop" }),
    spec: { app: "shop", number, image: oneImage, env: {}, secrets: {}, processes: fixed, changed: [], createdBy: "Ana" },
    status: {},
  };
}

export function aDeployment(number: number, release: number, status: Partial<Status<"Deployment">> = {}): Resource<"Deployment"> {
  return {
    metadata: metadata("Deployment", `shop-d${number}`, { ownerUid: "shop" }),
    spec: { app: "shop", number, release, reason: "push", createdBy: "Ana" },
    status: { phase: "starting", startedAt: new Date(START).toISOString(), ...status },
  };
}

export function anInstance(
  name: string,
  spec: Partial<Spec<"Instance">> = {},
  status: Partial<Status<"Instance">> = {},
  over: Partial<Metadata> = {},
): Resource<"Instance"> {
  return {
    metadata: metadata("Instance", name, { ownerUid: "shop", ...over }),
    spec: {
      app: "shop",
      process: "web",
      release: 1,
      ordinal: 1,
      host: "host-a",
      hostUid: "host-a",
      cpuMillis: 250,
      memoryBytes: 256 * 1024 ** 2,
      port: 8080,
      desired: "running",
      ...spec,
    },
    status: { phase: "scheduled", restarts: 0, ...status },
  };
}

export function aHost(name: string, over: Partial<Omit<HostState, "host">> = {}, spec: Partial<Spec<"Host">> = {}): HostState {
  return {
    host: {
      metadata: metadata("Host", name),
      spec: {
        index: 1,
        roles: ["build", "run", "ingress"],
        schedulable: true,
        underlay: "127.0.0.1",
        publicKey: "",
        capacity: { cpuMillis: 8_000, memoryBytes: 16 * 1024 ** 3 },
        ...spec,
      },
      status: { phase: "ready", facts: {} },
    },
    live: true,
    silentMs: 0,
    routingVersion: 0,
    ...over,
  };
}

export function aBuild(status: Partial<Status<"Build">> = {}, spec: Partial<Spec<"Build">> = {}): Resource<"Build"> {
  const number = spec.number ?? 1;
  return {
    metadata: metadata("Build", `shop-b${number}`, { ownerUid: "shop" }),
    spec: {
      app: "shop",
      number,
      source: { kind: "image", reference: "nginx" },
      limits: { cpuMillis: 1_000, memoryBytes: 1, pids: 1, timeoutMs: 600_000, logBytes: 1 },
      requestedBy: "Ana",
      cancelled: false,
      ...spec,
    },
    status: { phase: "pending", attempt: 0, ...status },
  };
}
