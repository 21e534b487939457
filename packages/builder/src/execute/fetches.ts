import { join } from "node:path";
import type { LayerStore } from "@plimsoll/containers";
import type { RootedTree } from "@plimsoll/host";
import { DOWNLOAD } from "./add.ts";
import { FetchNetwork } from "./build-network.ts";
import type { DiskAccount } from "./disk-budget.ts";
import { fetchGit, type GitWay, resolveGit } from "./fetch-git.ts";
import { fetchUrl, MAX_DOWNLOAD_BYTES } from "./fetch-url.ts";
import type { BuildNetworkPath, GitKeys, WorkerInit, WorkerRequest, WorkerResult } from "./protocol.ts";
import { SshWays } from "./ssh-way.ts";

export interface FetchesOptions {
  readonly init: WorkerInit;
  readonly scratchDir: string;
  readonly layers: LayerStore;
}

/** What a build's ADDs fetch, inside its own network, as nobody and within its disk. */
export class Fetches {
  private readonly options: FetchesOptions;
  private readonly network: FetchNetwork;
  private readonly sshWays: SshWays;

  constructor(options: FetchesOptions) {
    const { scratchDir, init } = options;
    this.options = options;
    this.network = new FetchNetwork(scratchDir);
    this.sshWays = new SshWays({ scratchDir, agentId: init.userNamespace.uidBase });
  }

  /** Into a file of the directory. Throws FetchFailed. */
  async url(
    { url, checksum, etag, network }: WorkerRequest & { readonly type: "fetch-url" },
    upperDir: string,
    account: DiskAccount,
  ): Promise<Pick<WorkerResult, "etag" | "unchanged">> {
    const spend = (bytes: number) => account.spend(bytes, 0);
    const known = { ...(checksum === undefined ? {} : { checksum }), ...(etag === undefined ? {} : { etag }) };
    return await fetchUrl({ url, file: join(upperDir, DOWNLOAD), spend, ...known }, this.wayTo(network));
  }

  /** Throws FetchFailed. */
  async commitOf({ remote, ref, network, keys }: WorkerRequest & { readonly type: "resolve-git" }): Promise<string> {
    await using ssh = await this.ssh(keys);
    return await resolveGit(remote, ref, { ...this.wayTo(network), sshEnv: ssh?.env });
  }

  /** Throws what fetchGit throws. */
  async git(request: WorkerRequest & { readonly type: "fetch-git" }, tree: RootedTree, account: DiskAccount): Promise<void> {
    const disk = this.options.layers.temporary();
    const places = { scratchDir: this.options.scratchDir, diskDir: disk.dir, id: String(request.id) };
    try {
      await using ssh = await this.ssh(request.keys);
      const spend = (bytes: number, files: number) => account.spend(bytes, files);
      const bounds = { spend, maxFileBytes: Math.min(MAX_DOWNLOAD_BYTES, account.left.bytes) };
      await fetchGit(request, { ...this.wayTo(request.network), ...bounds, sshEnv: ssh?.env }, places, tree);
    } finally {
      await disk.discard();
    }
  }

  private async ssh(keys: GitKeys | undefined) {
    return keys === undefined ? undefined : await this.sshWays.open(keys);
  }

  private wayTo(network: BuildNetworkPath): GitWay {
    return { network, through: this.network, certificates: this.network.authorities(this.options.init.certificates) };
  }
}
