import { createHash } from "node:crypto";
import { AppError } from "@plimsoll/core";

/** The VXLAN network of the platform itself; namespaces have 2 and up. */
export const PLATFORM_VNI = 1;
const MAX_VNI = 2 ** 24 - 1;

/**
 * Names of our devices in the host's network namespace (15 characters at most). All come from the host's tag, so that the firewall can
 * tell ours from foreign ones by prefix and two agents never take each other's.
 */
export interface DeviceNames {
  /** Every device behind which tenant code runs begins with it. */
  readonly tenantPrefix: string;
  readonly platformTunnel: string;
  /** The host's end of the veth to a namespace's network. */
  uplink(vni: number): string;
  /** A namespace's VXLAN device, before and after it is moved. */
  tunnel(vni: number): string;
  /** The host's end of a build's veth. */
  build(buildId: string): string;
}

export function deviceNames(tag: string): DeviceNames {
  const short = /^[a-z0-9]{5}/.exec(tag)?.[0];
  if (short === undefined) throw new AppError("internal", `a host's tag has five or more of a-z and 0-9; this is "${tag}"`);
  return {
    tenantPrefix: `pt${short}`,
    platformTunnel: `px${short}`,
    uplink: (vni) => `pt${short}n${base36(vni)}`,
    tunnel: (vni) => `pv${short}n${base36(vni)}`,
    build: (buildId) => `pt${short}b${digest(buildId, 7)}`,
  };
}

/** The VNI of the namespace that a host device is the uplink of; undefined when it is none. */
export function vniOfUplink(tag: string, device: string): number | undefined {
  const prefix = `${deviceNames(tag).tenantPrefix}n`;
  return device.startsWith(prefix) ? Number.parseInt(device.slice(prefix.length), 36) : undefined;
}

/** The namespace's end of an instance's veth. Ids are hashed: their first characters are a time, alike for instances of one deployment. */
export function instanceLink(instanceId: string): string {
  return `i${digest(instanceId, 12)}`;
}

/** A namespace's end of the veth to the host. */
export const UPLINK_INSIDE = "out0";

/** Key of a namespace's network namespace in the host's layout. */
export function netnsKey(vni: number): string {
  return `n${checkedVni(vni)}`;
}

/** The VNI of a key that netnsKey() made; undefined for all others. */
export function vniOfKey(key: string): number | undefined {
  const digits = /^n(\d{1,8})$/.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Throws AppError `invalid` unless it can be a namespace's. */
export function checkedVni(vni: number): number {
  if (!Number.isInteger(vni) || vni <= PLATFORM_VNI || vni > MAX_VNI)
    throw new AppError("invalid", `${vni} is no network number of a namespace (${PLATFORM_VNI + 1} to ${MAX_VNI})`);
  return vni;
}

function base36(vni: number): string {
  return checkedVni(vni).toString(36);
}

function digest(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
