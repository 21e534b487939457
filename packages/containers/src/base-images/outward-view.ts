import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError } from "@plimsoll/core";
import { type ChildProcess, start } from "@plimsoll/exec";
import { privateMountNamespaceArgv } from "@plimsoll/host";
import { pullPrefix } from "./abandoned.ts";

const MAIN = fileURLToPath(new URL("./outward-main.ts", import.meta.url));

const LAST_ENTRY_MS = 60_000;

type Held = ChildProcess & { readonly pid: number };

interface Holder {
  readonly nameservers: string;
  readonly child: Promise<Held>;
  isOver: boolean;
}

/**
 * This machine as programs see it that ask registries: with the resolver's files of the network that they are in. A mount namespace, held
 * by a process that does nothing and ends with ours; made when it is first needed, and anew when the resolvers are others.
 */
export class OutwardView {
  readonly #directory: string;
  #holder: Holder | undefined;

  /** `directory`: on the way to a holder its files lie there. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** argv that runs a program with this view in the network namespace at `path`. */
  async argv(
    { path, nameservers }: { readonly path: string; readonly nameservers: readonly string[] },
    program: readonly string[],
  ): Promise<readonly string[]> {
    const text = nameservers.map((address) => `nameserver ${address}\n`).join("");
    const { pid } = await this.#held(text);
    return ["nsenter", `--mount=/proc/${pid}/ns/mnt`, `--net=${path}`, "--", ...program];
  }

  #held(nameservers: string): Promise<Held> {
    const before = this.#holder;
    if (before !== undefined && before.nameservers === nameservers && !before.isOver) return before.child;
    const holder: Holder = { nameservers, child: this.#make(nameservers), isOver: false };
    const end = () => {
      holder.isOver = true;
    };
    holder.child.then((child) => child.once("close", end), end);
    this.#holder = holder;
    // Whoever has just been told of the one before may still be on the way into it.
    if (before !== undefined) setTimeout(() => void before.child.then(({ stdin }) => stdin?.end(), end), LAST_ENTRY_MS).unref();
    return holder.child;
  }

  async #make(nameservers: string): Promise<Held> {
    const directory = mkdtempSync(join(this.#directory, `.${pullPrefix()}`));
    try {
      const files = {
        "resolv.conf": nameservers,
        hosts: "127.0.0.1 localhost\n::1 localhost\n",
        "nsswitch.conf": "hosts: files dns\n",
      };
      for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content, { mode: 0o644 });
      const argv = privateMountNamespaceArgv([process.execPath, "--disable-warning=ExperimentalWarning", MAIN, directory, "cat"]);
      const child = await start(argv, { stdio: ["pipe", "pipe", "pipe"], cwd: "/" });
      await echoed(child);
      // It does not keep us from ending.
      for (const handle of [child, child.stdin, child.stdout, child.stderr] as (Partial<{ unref(): void }> | null)[]) handle?.unref?.();
      return child;
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** What it echoes tells that it has become `cat`, in its namespace. */
function echoed(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-500);
    });
    child.stdout?.once("data", () => resolve());
    child.once("close", () => reject(new AppError("internal", `the view of registries' clients could not be made: ${complaint.trim()}`)));
    child.stdin?.on("error", () => undefined);
    child.stdin?.write("\n");
  });
}
