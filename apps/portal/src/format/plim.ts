import type { QuotaDimension, QuotaVector } from "@plimsoll/core";
import { BUILD_LIMITS, type BuildLimitName } from "./build-limits.ts";
import { DIMENSIONS, quantityAsTyped } from "./quantity.ts";

/** How `plim quota set` and the quota page's address name the dimensions. */
export const QUOTA_WORDS: Record<QuotaDimension, string> = {
  cpuMillis: "cpu",
  memoryBytes: "memory",
  instances: "instances",
  builds: "builds",
};

export type PlimLines = ReturnType<typeof plimLines>;

/**
 * The `plim` line of each action, as one copies it into a terminal: one place, so that it stays what the CLI takes. `namespace`
 * (`team/namespace`) is named only where plim could not know it by itself.
 */
export function plimLines(namespace?: string) {
  const line = (...words: string[]) => ["plim", ...words, ...(namespace === undefined ? [] : ["-n", namespace])].map(quoted).join(" ");
  return {
    apps: () => line("apps"),
    describe: (app: string) => line("describe", app),
    instances: (app: string) => line("ps", app),
    scale: (app: string, process: string, replicas: number) => line("scale", app, `${process}=${replicas}`),
    deployBranch: (app: string, branch: string) => line("deploy", app, "--branch", branch),
    branches: (app: string) => line("branches", app),
    deployKeys: (app: string) => line("deploy-keys", app),
    connection: (app: string) => line("connection", app),
    rollback: (app: string, release: number | undefined) => line("rollback", app, ...(release === undefined ? [] : [`v${release}`])),
    logs: (app: string) => line("logs", app, "-f"),
    waterfall: (app: string, build: number) => line("describe", "build", `${build}`, "-a", app, "--waterfall"),
    sbom: (app: string, release: string) => line("sbom", `v${release}`, "-a", app),
    sbomOfBuild: (app: string, build: string) => line("sbom", "--build", build, "-a", app),
    buildLog: (app: string, build: number) => line("logs", app, "--build", `${build}`),
    /** An empty value removes the variable. */
    env: (app: string, name: string, value: string) => line("env", app, `${name}=${value}`),
    /** The value is read from standard input: on the command line it would stay in the shell's history. */
    secret: (app: string, name: string) => line("secret", app, name),
    /** The password is asked for on the terminal. */
    registry: (registry: string, user: string) => line("registries", "set", registry, "--user", user),
    mirrors: (registry: string, mirrors: readonly string[]) => line("registries", "mirror", registry, ...mirrors),
  };
}

/** As plimLines, for what belongs to no app. */
export const plim = {
  quota: (team: string, namespace: string, quota: Partial<QuotaVector>): string =>
    [
      "plim",
      "quota",
      "set",
      `${team}/${namespace}`,
      ...DIMENSIONS.flatMap((one) => (quota[one] === undefined ? [] : `${QUOTA_WORDS[one]}=${quantityAsTyped(one, quota[one])}`)),
    ]
      .map(quoted)
      .join(" "),
  limits: (team: string, namespace: string, limits: Partial<Record<BuildLimitName, number>>): string =>
    [
      "plim",
      "limits",
      "set",
      `${team}/${namespace}`,
      ...BUILD_LIMITS.flatMap(({ name, word, text }) => (limits[name] === undefined ? [] : `${word}=${text(limits[name])}`)),
    ]
      .map(quoted)
      .join(" "),
  disk: (team: string, namespace: string): string => ["plim", "disk", "-n", `${team}/${namespace}`].map(quoted).join(" "),
  images: (team: string, namespace: string): string => ["plim", "images", "-n", `${team}/${namespace}`].map(quoted).join(" "),
  deleteImage: (team: string, namespace: string, image: string): string =>
    ["plim", "images", "delete", image, "-n", `${team}/${namespace}`].map(quoted).join(" "),
  cleanCache: (team: string, namespace: string): string =>
    ["plim", "disk", "clean", "--cache", "-n", `${team}/${namespace}`].map(quoted).join(" "),
  hosts: (): string => "plim hosts",
  addHost: (roles: readonly string[], name: string): string =>
    ["plim", "hosts", "add", ...roles.flatMap((role) => ["--role", role]), ...(name === "" ? [] : ["--name", name])].map(quoted).join(" "),
  closeHost: (host: string): string => ["plim", "hosts", "close", host].map(quoted).join(" "),
  openHost: (host: string): string => ["plim", "hosts", "open", host].map(quoted).join(" "),
  removeHost: (host: string, force: boolean): string =>
    ["plim", "hosts", "remove", host, ...(force ? ["--force"] : [])].map(quoted).join(" "),
  hostDisk: (host: string): string => ["plim", "disk", "--host", host].map(quoted).join(" "),
  login: (url: string, token: string): string => ["plim", "login", url, "--token", token].map(quoted).join(" "),
};

/** A word as a POSIX shell takes it back: single quotes where anything in it could mean something. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
