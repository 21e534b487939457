import type { AppPatch } from "@plimsoll/contracts";
import { AppError, AppSpec, DEFAULT_OTHER_PROCESS, DEFAULT_WEB_PROCESS, type Spec } from "@plimsoll/core";
import { invalidInput } from "../http/problem.ts";

const MAX_PROCESSES = 20;
const MAX_ENV_NAMES = 500;
const MAX_ENV_BYTES = 256 * 1024;

/** The whole spec of a new app, from what its maker said. */
export function defaultAppSpec(given: Partial<Spec<"App">> = {}): Spec<"App"> {
  return validAppSpec({
    source: given.source ?? { kind: "git" },
    processes: given.processes ?? { web: DEFAULT_WEB_PROCESS },
    env: given.env ?? {},
    secrets: given.secrets ?? {},
    ...(given.appFile === undefined ? {} : { appFile: given.appFile }),
  });
}

/** The spec after a patch: what is absent stays, an env value of null removes the name, a new process starts from the defaults. */
export function patchAppSpec(spec: Spec<"App">, patch: AppPatch): Spec<"App"> {
  const env: Record<string, string> = { ...spec.env };
  for (const [name, value] of Object.entries(patch.env ?? {})) {
    if (value === null) delete env[name];
    else env[name] = value;
  }
  const processes = { ...spec.processes };
  for (const [name, changed] of Object.entries(patch.processes ?? {})) {
    const base = processes[name] ?? (name === "web" ? DEFAULT_WEB_PROCESS : DEFAULT_OTHER_PROCESS);
    processes[name] = { ...base, ...withoutUndefined(changed) };
  }
  return validAppSpec({ ...spec, env, processes, source: patch.source ?? spec.source });
}

/** The spec with another number of instances of one process; `not_found` names the processes there are. */
export function scaleAppSpec(spec: Spec<"App">, process: string, replicas: number): Spec<"App"> {
  const found = spec.processes[process];
  if (found === undefined)
    throw new AppError("not_found", `There is no process ${process}; this app has ${Object.keys(spec.processes).join(", ") || "none"}.`);
  return validAppSpec({ ...spec, processes: { ...spec.processes, [process]: { ...found, replicas } } });
}

/** Throws `invalid` for what the schema of a spec cannot see: its size, names that clash, values no program can get. */
export function validAppSpec(spec: Spec<"App">): Spec<"App"> {
  const parsed = AppSpec.safeParse(spec);
  if (!parsed.success) throw invalidInput(parsed.error, "app");
  const { env, secrets, processes, source } = parsed.data;
  const names = Object.keys(env);
  if (Object.keys(processes).length > MAX_PROCESSES) throw wrong("processes", `an app has at most ${MAX_PROCESSES} processes`);
  if (names.length + Object.keys(secrets).length > MAX_ENV_NAMES) throw wrong("env", `an app has at most ${MAX_ENV_NAMES} variables`);
  if (names.reduce((total, name) => total + name.length + (env[name] ?? "").length, 0) > MAX_ENV_BYTES)
    throw wrong("env", `the environment of an app has at most ${MAX_ENV_BYTES / 1024} KiB`);
  for (const name of names) {
    if (name === "PORT") throw wrong("env.PORT", "the platform sets PORT: set the port of the process instead");
    if (env[name]?.includes("\0")) throw wrong(`env.${name}`, "a value cannot hold a zero byte");
    if (secrets[name] !== undefined) throw wrong(`env.${name}`, `${name} is a secret of this app: delete the secret first`);
  }
  for (const [name, process] of Object.entries(processes))
    if (process.readiness.kind !== "none" && process.port === undefined)
      throw wrong(`processes.${name}.readiness`, "a process that is asked whether it is ready needs a port; or set readiness to none");
  if (source.kind === "image") assertImageReference(source.reference);
  return parsed.data;
}

/** Throws `invalid` unless it reads as a registry reference: `node:22`, `ghcr.io/acme/shop@sha256:…`. */
export function assertImageReference(reference: string): void {
  // Grammar of the distribution project's reference package: [domain/]path[:tag][@digest].
  const path = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
  const domain = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?";
  const pattern = new RegExp(`^${domain}${path}(?:/${path})*(?::[\\w][\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`);
  if (reference.length > 512 || !pattern.test(reference))
    throw wrong("reference", "an image is named as in a registry: node:22, ghcr.io/acme/shop:1.2, name@sha256:…");
}

function wrong(path: string, message: string): AppError {
  return new AppError("invalid", `The app is not valid: ${path}: ${message}.`, { details: { fields: [{ path, message }] } });
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
