import { chownSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NOBODY } from "./build-network.ts";
import type { GitKeys } from "./protocol.ts";
import { startSshAgent } from "./ssh-agent.ts";

/** git gives it to a shell: a constant, whose one variable is ours. */
const SSH_COMMAND = 'ssh -F "$PLIMSOLL_SSH_CONFIG"';

/** The environment in which git, as nobody, reaches a repository over SSH. */
export interface SshWay extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
}

/**
 * How the servers of one build are met over SSH. What a server shows is written down at the first contact and must be the same at each later
 * one of the build, as BuildKit has it, which asks for the key first and then insists on it (its client/llb/source.go and
 * util/sshutil/keyscan.go); known hosts that the app names are insisted on from the first.
 */
export class SshWays {
  private readonly options: { readonly scratchDir: string; readonly agentId: number };
  private sequence = 0;
  private seen: string | undefined;

  /** `agentId`: host-side id that agents run as. */
  constructor(options: { readonly scratchDir: string; readonly agentId: number }) {
    this.options = options;
  }

  /** The agent that holds the key ends with disposal. AppError `invalid` when the key cannot be used. */
  async open({ id, key, knownHosts }: GitKeys): Promise<SshWay> {
    const { scratchDir, agentId } = this.options;
    const number = this.sequence++;
    const known = knownHosts === undefined ? join(this.seenDirectory(), "known-hosts") : join(scratchDir, `ssh-known-${number}`);
    if (knownHosts !== undefined) writeFileSync(known, `${knownHosts}\n`, { mode: 0o644 });
    const config = join(scratchDir, `ssh-config-${number}`);
    const owner = { agentId, uid: NOBODY, gid: NOBODY, mode: 0o600 };
    const agent = await startSshAgent({ scratchDir, id, key: Buffer.from(key, "base64"), ...owner });
    const lines = [
      "User git",
      `IdentityAgent "${agent.socket}"`,
      "IdentityFile none",
      `UserKnownHostsFile "${known}"`,
      "GlobalKnownHostsFile /dev/null",
      `StrictHostKeyChecking ${knownHosts === undefined ? "accept-new" : "yes"}`,
      ...["BatchMode yes", "PreferredAuthentications publickey", "HashKnownHosts no", "UpdateHostKeys no", "CheckHostIP no"],
      ...["ConnectTimeout 20", "ServerAliveInterval 15", "ForwardAgent no", "ClearAllForwardings yes", "ControlMaster no"],
      ...["PermitLocalCommand no", "ProxyCommand none", "LogLevel ERROR"],
    ];
    writeFileSync(config, `Host *\n${lines.map((line) => `  ${line}\n`).join("")}`, { mode: 0o644 });
    const env = { GIT_ALLOW_PROTOCOL: "ssh", GIT_SSH_COMMAND: SSH_COMMAND, GIT_SSH_VARIANT: "ssh", PLIMSOLL_SSH_CONFIG: config };
    return { env, [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
  }

  /** Nobody's, in memory: ssh writes there what servers of this build have shown. */
  private seenDirectory(): string {
    if (this.seen !== undefined) return this.seen;
    this.seen = mkdtempSync(join(this.options.scratchDir, "ssh-seen-"));
    chownSync(this.seen, NOBODY, NOBODY);
    return this.seen;
  }
}
