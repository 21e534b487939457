import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DesiredState, NamespaceAssignment } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { ensureNetworkNamespace, ensureUserNamespace, type HostLayout, removeNetworkNamespace, removeUserNamespace } from "@plimsoll/host";
import {
  addressesInUse,
  addressPlan,
  attachBuild,
  attachInstance,
  detachBuild,
  detachInstance,
  ensureHostNetwork,
  ensureNamespaceNetwork,
  freeAddress,
  type HostNetwork,
  listNamespaceNetworks,
  removeNamespaceNetwork,
  upstreamResolvers,
} from "@plimsoll/network";
import type { InstanceWire } from "./instances/ports.ts";

const MAX_CHOICES = 10;
/** No build's id: those are random and longer. */
const OUTWARD = "registries";

/**
 * This host's network, in the agent's hands: the host's share, the namespaces that have something here, instances and builds. Addresses
 * are chosen one at a time against what the kernel has, and kept beside the network namespaces, which they live and die with.
 */
export class AgentWire implements InstanceWire {
  readonly #layout: HostLayout;
  readonly #addressDir: string;
  #net: HostNetwork | undefined;
  readonly #wantedResolvers: readonly string[] | undefined;
  #resolvers: readonly string[] = [];
  #namespaces = new Map<string, NamespaceAssignment>();
  #lastAddress: string | undefined;
  readonly #handedOut = new Set<string>();
  #choosing: Promise<unknown> = Promise.resolve();
  #outward: Promise<{ readonly path: string; readonly nameservers: readonly string[] }> | undefined;
  #outwardAddress: string | undefined;

  /** `resolvers`: the operator's, instead of those that the host asks itself. */
  constructor(layout: HostLayout, resolvers?: readonly string[]) {
    this.#layout = layout;
    this.#wantedResolvers = resolvers;
    this.#addressDir = join(layout.runDir, "addresses");
    mkdirSync(this.#addressDir, { recursive: true, mode: 0o700 });
  }

  get resolvers(): readonly string[] {
    return this.#resolvers;
  }

  /** The host's network, then that of each namespace. Not concurrent with itself. */
  async apply(desired: DesiredState): Promise<void> {
    this.#resolvers = this.#wantedResolvers ?? (await upstreamResolvers());
    const plan = addressPlan({ network: desired.platform.network, sourceNetwork: desired.platform.sourceNetwork });
    const host = { layout: this.#layout, index: desired.host.index, plan };
    this.#net = await ensureHostNetwork(host, {
      underlay: { address: desired.host.underlay },
      peers: desired.peers,
      resolvers: this.#resolvers,
    });
    this.#namespaces = new Map(desired.namespaces.map((namespace) => [namespace.uid, namespace]));
    for (const { vni } of desired.namespaces) await ensureNamespaceNetwork(this.#net, { vni });
  }

  /** Takes away the networks and user-id ranges of namespaces that have nothing here any more. */
  async collect(inUse: ReadonlySet<string>): Promise<void> {
    const net = this.#network();
    const wanted = new Set([...this.#namespaces.values()].map(({ vni }) => vni));
    if ([...inUse].some((uid) => !this.#namespaces.has(uid))) return;
    for (const vni of await listNamespaceNetworks(net)) if (!wanted.has(vni)) await removeNamespaceNetwork(net, vni);
  }

  async userNamespace(namespaceUid: string): Promise<{ readonly path: string; readonly uidBase: number }> {
    const { uidBase } = this.#namespace(namespaceUid);
    return { path: await ensureUserNamespace(this.#layout, namespaceUid, { uidBase }), uidBase };
  }

  removeUserNamespace(namespaceUid: string): Promise<void> {
    return removeUserNamespace(this.#layout, namespaceUid);
  }

  async attach(instanceUid: string, namespaceUid: string): Promise<{ readonly netnsPath: string; readonly address: string }> {
    const { vni } = this.#namespace(namespaceUid);
    const { path } = await this.userNamespace(namespaceUid);
    const [netnsPath, address] = await this.#linked(
      this.addressOf(instanceUid),
      ensureNetworkNamespace(this.#layout, instanceUid, path),
      (netnsPath, wanted) => attachInstance(this.#network(), { vni, instanceId: instanceUid, netnsPath, address: wanted }),
    );
    writeFileSync(this.#addressFile(instanceUid), address);
    return { netnsPath, address };
  }

  async detach(instanceUid: string, namespaceUid: string): Promise<void> {
    const vni = this.#namespaces.get(namespaceUid)?.vni;
    const address = this.addressOf(instanceUid);
    if (vni !== undefined && this.#net !== undefined)
      await detachInstance(this.#net, { vni, instanceId: instanceUid, ...(address === undefined ? {} : { address }) });
    await removeNetworkNamespace(this.#layout, instanceUid);
    rmSync(this.#addressFile(instanceUid), { force: true });
  }

  addressOf(instanceUid: string): string | undefined {
    try {
      return readFileSync(this.#addressFile(instanceUid), "utf8");
    } catch {
      return undefined;
    }
  }

  /** A network of its own for a build, owned by its tenant's user namespace: out to the world and to nothing of the platform. */
  async acquireBuild(buildUid: string, usernsPath: string): Promise<{ readonly path: string; readonly nameservers: readonly string[] }> {
    const making = ensureNetworkNamespace(this.#layout, `b-${buildUid}`, usernsPath);
    const [path] = await this.#linked(undefined, making, (netnsPath, address) =>
      attachBuild(this.#network(), { buildId: buildUid, netnsPath, address }),
    );
    return { path, nameservers: this.#resolvers };
  }

  async releaseBuild(buildUid: string): Promise<void> {
    await detachBuild(this.#network(), buildUid);
  }

  /**
   * The network that registries are asked from, whose names tenants write: like a build's, out to the world and to nothing of the platform.
   * One for all pulls of this host; nothing of any tenant runs in it.
   */
  acquireOutward(): Promise<{ readonly path: string; readonly nameservers: readonly string[] }> {
    this.#outward ??= this.#ensureOutward().finally(() => {
      this.#outward = undefined;
    });
    return this.#outward;
  }

  async releaseOutward(): Promise<void> {
    if (this.#outwardAddress !== undefined) await detachBuild(this.#network(), OUTWARD);
    this.#outwardAddress = undefined;
  }

  async #ensureOutward(): Promise<{ readonly path: string; readonly nameservers: readonly string[] }> {
    const making = ensureNetworkNamespace(this.#layout, `b-${OUTWARD}`);
    const [path, address] = await this.#linked(this.#outwardAddress, making, (netnsPath, wanted) =>
      attachBuild(this.#network(), { buildId: OUTWARD, netnsPath, address: wanted }),
    );
    this.#outwardAddress = address;
    return { path, nameservers: this.#resolvers };
  }

  #network(): HostNetwork {
    if (this.#net === undefined) throw new AppError("unavailable", "This host's network is not made yet; it is tried again.");
    return this.#net;
  }

  #namespace(uid: string): NamespaceAssignment {
    const namespace = this.#namespaces.get(uid);
    if (namespace === undefined) throw new AppError("unavailable", `Namespace ${uid} is not known on this host yet; it is tried again.`);
    return namespace;
  }

  /** A network namespace that is being made and an address, which is chosen meanwhile, brought together by `link`. */
  async #linked(
    kept: string | undefined,
    making: Promise<string>,
    link: (netnsPath: string, address: string) => Promise<unknown>,
  ): Promise<readonly [netnsPath: string, address: string]> {
    making.catch(() => undefined); // Awaited below, where an address is not missing already.
    const address = await this.#claimed(kept, async (wanted) => link(await making, wanted));
    return [await making, address];
  }

  /** Runs `use` with the address that was kept, or with free ones until one is taken; one choice at a time. */
  async #claimed(kept: string | undefined, use: (address: string) => Promise<unknown>): Promise<string> {
    if (kept !== undefined) {
      await use(kept);
      return kept;
    }
    for (let attempt = 1; ; attempt++) {
      const address = await this.#choose();
      try {
        await use(address);
        return address;
      } catch (error) {
        // Somebody else on this machine has it: the next one then.
        if (!(error instanceof AppError) || error.code !== "conflict" || attempt >= MAX_CHOICES) throw error;
      } finally {
        this.#handedOut.delete(address);
      }
    }
  }

  #choose(): Promise<string> {
    const next = this.#choosing
      .catch(() => undefined)
      .then(async () => {
        const net = this.#network();
        const inUse = [...(await addressesInUse(net)).map(({ address }) => address), ...this.#handedOut];
        const address = freeAddress(net.plan, net.index, inUse, this.#lastAddress);
        if (address === undefined) throw new AppError("unavailable", "This host has no free address left; run the instance elsewhere.");
        this.#lastAddress = address;
        this.#handedOut.add(address);
        return address;
      });
    this.#choosing = next;
    return next;
  }

  #addressFile(instanceUid: string): string {
    return join(this.#addressDir, instanceUid);
  }
}
