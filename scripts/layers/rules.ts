/**
 * Who may import whom. The order is DESIGN's: core ← contracts ← {config, exec, db, queue, reconcile, scheduler} ← host ←
 * {containers, network, ingress} ← builder; {controllers, api, git} above db and queue; apps on top. What server and agent share is
 * the first group without db and scheduler: an agent reaches no database, a portal nothing but the API.
 */
const BASE = ["core", "contracts", "config"];
const HOST_SIDE = [...BASE, "exec", "queue", "reconcile"];
const CONTROL_SIDE = [...BASE, "exec", "db", "queue", "reconcile", "scheduler"];

export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  detect: [],
  contracts: ["core"],
  config: ["core", "contracts"],
  exec: BASE,
  db: BASE,
  queue: BASE,
  reconcile: BASE,
  scheduler: BASE,
  host: HOST_SIDE,
  containers: [...HOST_SIDE, "host"],
  network: [...HOST_SIDE, "host"],
  ingress: [...HOST_SIDE, "host"],
  builder: [...HOST_SIDE, "detect", "host", "containers", "network"],
  controllers: CONTROL_SIDE,
  api: CONTROL_SIDE,
  git: CONTROL_SIDE,
  testkit: [...CONTROL_SIDE, "host"],
  "apps/server": [...CONTROL_SIDE, "controllers", "api", "git"],
  "apps/agent": [...HOST_SIDE, "host", "containers", "network", "ingress", "builder"],
  "apps/cli": [...BASE, "detect", "exec"],
  "apps/portal": ["core", "contracts"],
};

/** A dangerous or heavy library has one door. Tests are held to it too, except where a package is made for them. */
export const SOLE_IMPORTERS: readonly { readonly library: RegExp; readonly only: readonly string[]; readonly why: string }[] = [
  { library: /^(node:)?child_process$/, only: ["exec"], why: "programs are started from argv arrays by one module" },
  { library: /^(pg|@prisma\/.*)$/, only: ["db", "testkit"], why: "every tenant access goes through the repositories" },
  { library: /^(bullmq|ioredis)$/, only: ["queue", "testkit"], why: "the job catalog is the one way to the queue" },
  { library: /^ssh2$/, only: ["git"], why: "there is one SSH front door" },
  { library: /^koffi$/, only: ["host"], why: "system calls are made by one package" },
];

/** Code for tests: it may use testkit, and production code may not import it. */
export function isTestCode(path: string): boolean {
  return /\.test\.tsx?$/.test(path) || /(^|\/)(testing|test)(\/|\.tsx?$)/.test(path);
}
