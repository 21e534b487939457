import { readSync } from "node:fs";

/** Bytes that are read where they lie: programs and archives may be as large as a layer. */
export interface Bytes {
  readonly size: number;
  /** Shorter than asked for at the end. */
  read(offset: number, length: number): Buffer;
}

/** Limits of what one layer may cost; whoever passes one ends the reading of that layer. */
export interface Allowance {
  /** Throws OutOfAllowance. */
  spend(what: "entries" | "bytes" | "inflated", amount: number): void;
}

/** A layer cost more than a layer may: what was found until then counts. */
export class OutOfAllowance extends Error {}

/** Its archives hold more than is unpacked of a layer: what is in them is missing, the rest of the layer goes on. */
export class UnpackedTooMuch extends OutOfAllowance {}

export function fileBytes(fd: number, size: number, allowance: Allowance): Bytes {
  return {
    size,
    read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset));
      allowance.spend("bytes", wanted);
      const content = Buffer.alloc(wanted);
      let filled = 0;
      while (filled < wanted) {
        const read = readSync(fd, content, filled, wanted - filled, offset + filled);
        if (read === 0) break;
        filled += read;
      }
      return content.subarray(0, filled);
    },
  };
}

export function bufferBytes(content: Buffer): Bytes {
  return { size: content.length, read: (offset, length) => content.subarray(offset, Math.max(offset, offset + length)) };
}

/** A part of others. */
export function partOf(bytes: Bytes, start: number, size: number): Bytes {
  return { size, read: (offset, length) => bytes.read(start + offset, Math.max(0, Math.min(length, size - offset))) };
}
