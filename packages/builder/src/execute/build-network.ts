import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { minimalEnv } from "@plimsoll/exec";
import { MS, mount } from "@plimsoll/host";
import type { BuildNetworkPath } from "./protocol.ts";

const SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";

/** Of programs that talk to servers which a tenant names. */
export const NOBODY = 65_534;

/** No configuration of this machine, no prompts, no helpers; only protocols that go over the network given. */
export const FETCH_ENV: Readonly<Record<string, string>> = {
  ...minimalEnv,
  HOME: "/nonexistent",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ALLOW_PROTOCOL: "http:https:git",
};

/**
 * Runs what fetches for a build inside the build's own network: what its commands cannot reach, neither can this. Names are looked up
 * there too: this process' view of the resolver's files is replaced, in its private mount namespace.
 */
export class FetchNetwork {
  private readonly scratchDir: string;
  private isPrepared = false;

  constructor(scratchDir: string) {
    this.scratchDir = scratchDir;
  }

  /** argv that runs a program there, still as root. */
  argv(network: BuildNetworkPath, program: readonly string[]): readonly string[] {
    this.prepare(network);
    return ["nsenter", `--net=${network.path}`, "--", ...program];
  }

  /** argv that runs a program there as nobody, which writes no file larger than `maxFileBytes`. */
  argvAsNobody(network: BuildNetworkPath, program: readonly string[], maxFileBytes: number): readonly string[] {
    const drop = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"];
    return this.argv(network, ["prlimit", `--fsize=${maxFileBytes}`, "--", "setpriv", ...drop, "--", ...program]);
  }

  /** This machine's certificate authorities and the operator's in one file that nobody may read; undefined without the latter. */
  authorities(certificates: string | undefined): string | undefined {
    if (certificates === undefined) return undefined;
    const bundle = join(this.scratchDir, "authorities.crt");
    if (existsSync(bundle)) return bundle;
    const system = existsSync(SYSTEM_AUTHORITIES) ? readFileSync(SYSTEM_AUTHORITIES, "utf8") : "";
    writeFileSync(bundle, `${system}\n${readFileSync(certificates, "utf8")}`, { mode: 0o644 });
    return bundle;
  }

  /** One network a build, and one build a process. */
  private prepare({ nameservers }: BuildNetworkPath): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    this.replace("/etc/resolv.conf", nameservers.map((address) => `nameserver ${address}\n`).join(""));
    this.replace("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
    this.replace("/etc/nsswitch.conf", "hosts: files dns\n");
  }

  private replace(path: string, content: string): void {
    if (!existsSync(path)) return;
    const source = join(this.scratchDir, path.replaceAll("/", "-").slice(1));
    writeFileSync(source, content, { mode: 0o644 });
    mount(source, path, "none", MS.bind);
  }
}
