import { AppError } from "@plimsoll/core";

/** A block of IPv4 addresses: `first` is its lowest address as an unsigned 32-bit number. */
export interface Block {
  readonly first: number;
  readonly prefix: number;
}

/** Throws AppError `invalid` on anything but four decimal octets. */
export function parseAddress(text: string): number {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) throw new AppError("invalid", `${text} is not an IPv4 address`);
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** `a.b.c.d/n`; a plain address is a block of one. Throws AppError `invalid` when bits below the prefix are set. */
export function parseBlock(text: string): Block {
  const [address = "", length = "32", ...rest] = text.split("/");
  const prefix = Number(length);
  if (rest.length > 0 || !/^\d{1,2}$/.test(length) || prefix > 32) throw new AppError("invalid", `${text} is not an IPv4 network`);
  const first = parseAddress(address);
  if (first % blockSize({ first, prefix }) !== 0) throw new AppError("invalid", `${text} has bits set below its prefix`);
  return { first, prefix };
}

export function formatBlock(block: Block): string {
  return `${formatAddress(block.first)}/${block.prefix}`;
}

/** Number of addresses. */
export function blockSize(block: Block): number {
  return 2 ** (32 - block.prefix);
}

export function blockHas(block: Block, address: number): boolean {
  return address >= block.first && address < block.first + blockSize(block);
}

/** Blocks are aligned, so two of them are nested or apart. */
export function blocksOverlap(a: Block, b: Block): boolean {
  return blockHas(a, b.first) || blockHas(b, a.first);
}
