import { readFile } from "node:fs/promises";

/** `TCP_LISTEN` in /proc/net/tcp (include/net/tcp_states.h). */
const LISTEN = "0A";

/**
 * Addresses that programs in a process's network namespace listen on, as `127.0.0.1:3000` or `[::]:8080`, from /proc/PID/net/tcp and
 * tcp6: what to tell somebody whose program does not listen where it should.
 */
export async function listeningAddresses(pid: number): Promise<readonly string[]> {
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/${pid}/net/${name}`, "utf8").catch(() => "")));
  return [...new Set(tables.flatMap(parseListening))];
}

/** Pure: the listening sockets of one /proc/net/tcp table. */
export function parseListening(table: string): readonly string[] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === LISTEN)
    .map((columns) => formatEndpoint(columns[1] ?? ""));
}

function formatEndpoint(hex: string): string {
  const [address = "", port = "0"] = hex.split(":");
  // Each 32-bit word is in host byte order (little endian on what we run on).
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, "hex").reverse()]);
  const number = Number.parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join(".")}:${number}`;
  if (bytes.every((byte) => byte === 0)) return `[::]:${number}`;
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff) return `${bytes.slice(12).join(".")}:${number}`;
  const groups = Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16));
  return `[${groups.join(":")}]:${number}`;
}

/** A sentence for somebody whose program is not where the probe asks; undefined when there is nothing to say. */
export function listeningHint(addresses: readonly string[], port: number): string | undefined {
  if (addresses.length === 0)
    return `nothing in it listens on a TCP port yet; it must listen on port ${port} (the PORT variable) on all addresses`;
  if (addresses.some((address) => address === `0.0.0.0:${port}` || address === `[::]:${port}`)) return undefined;
  const [open, ...others] = new Set(addresses.map((address) => /^(?:0\.0\.0\.0|\[::\]):(\d+)$/.exec(address)?.[1]));
  // A program that cannot be told its port: the app can be told.
  const told = open !== undefined && others.length === 0 ? `, or say port: ${open} in plimsoll.yaml` : "";
  return `it listens on ${addresses.join(", ")}, the probe asks port ${port} on all addresses: use process.env.PORT and 0.0.0.0${told}`;
}
