const SHOWN = Buffer.from("***");
/** Shorter ones would take ordinary words apart and tell more than they hide. */
const MIN_BYTES = 4;

/**
 * A stream of output in which secret values are replaced, also where they come in pieces: what may be the beginning of one is kept back
 * until more comes. Each line of a secret counts for itself, as programs print it line by line.
 */
export class Concealed {
  private readonly secrets: readonly Buffer[];
  private kept: Buffer = Buffer.alloc(0);

  constructor(secrets: readonly Buffer[]) {
    const texts = secrets.flatMap((secret) => {
      const text = secret.toString("latin1");
      return [text, text.trim(), ...text.split(/\r?\n/).map((line) => line.trim())];
    });
    const values = [...new Set(texts)].filter((text) => text.length >= MIN_BYTES);
    // Longer ones first: one may be the beginning of another.
    this.secrets = values.sort((a, b) => b.length - a.length).map((text) => Buffer.from(text, "latin1"));
  }

  /** What can be shown by now. */
  add(chunk: Buffer): Buffer {
    if (this.secrets.length === 0) return chunk;
    const pending = this.kept.length === 0 ? chunk : Buffer.concat([this.kept, chunk]);
    const shown: Buffer[] = [];
    let position = 0;
    for (;;) {
      const found = this.first(pending, position);
      if (found === undefined) break;
      shown.push(pending.subarray(position, found.at), SHOWN);
      position = found.at + found.length;
    }
    const rest = pending.subarray(position);
    const held = this.beginning(rest);
    shown.push(rest.subarray(0, rest.length - held));
    this.kept = Buffer.from(rest.subarray(rest.length - held));
    return Buffer.concat(shown);
  }

  /** What was kept back. */
  end(): Buffer {
    const rest = this.kept;
    this.kept = Buffer.alloc(0);
    return rest;
  }

  private first(bytes: Buffer, from: number): { readonly at: number; readonly length: number } | undefined {
    let best: { at: number; length: number } | undefined;
    for (const secret of this.secrets) {
      const at = bytes.indexOf(secret, from);
      if (at >= 0 && (best === undefined || at < best.at)) best = { at, length: secret.length };
    }
    return best;
  }

  /** How many bytes at the end may be the beginning of a secret. */
  private beginning(bytes: Buffer): number {
    let longest = 0;
    for (const secret of this.secrets) {
      for (let length = Math.min(secret.length - 1, bytes.length); length > longest; length--) {
        if (bytes.subarray(bytes.length - length).equals(secret.subarray(0, length))) longest = length;
      }
    }
    return longest;
  }
}
