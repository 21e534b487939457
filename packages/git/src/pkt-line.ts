/**
 * git's pkt-line framing (gitprotocol-common): four hex digits of length that count themselves, then the payload; `0000` is a flush
 * packet. Bytes in, packets out; no I/O.
 */

/** LARGE_PACKET_MAX of git: header included. */
export const MAX_PACKET_BYTES = 65_520;
const HEADER_BYTES = 4;

export type Packet = { readonly type: "data"; readonly payload: Buffer } | { readonly type: "flush" };

export const FLUSH = Buffer.from("0000");

/** One data packet. Throws RangeError when the payload does not fit in one. */
export function encodePacket(payload: string | Uint8Array): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "utf8") : Buffer.from(payload);
  const length = bytes.length + HEADER_BYTES;
  if (length > MAX_PACKET_BYTES) throw new RangeError(`a packet holds at most ${MAX_PACKET_BYTES - HEADER_BYTES} bytes`);
  return Buffer.concat([Buffer.from(length.toString(16).padStart(HEADER_BYTES, "0")), bytes]);
}

/** What git clients show as `fatal: remote error: <message>`: a refusal before the protocol has begun. */
export function encodeRefusal(message: string): Buffer {
  return encodePacket(`ERR ${message}`);
}

/** Splits a byte stream, cut anywhere, into packets. One decoder per stream. */
export class PacketDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** The packets that `chunk` completes, in order. Throws Error on anything that is no pkt-line; the stream is then lost. */
  push(chunk: Uint8Array): readonly Packet[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const packets: Packet[] = [];
    for (;;) {
      if (this.#rest.length < HEADER_BYTES) return packets;
      const header = this.#rest.toString("latin1", 0, HEADER_BYTES);
      if (!/^[0-9a-fA-F]{4}$/.test(header)) throw new Error("not a pkt-line: the length is not four hex digits");
      const length = Number.parseInt(header, 16);
      if (length === 0) {
        packets.push({ type: "flush" });
        this.#rest = this.#rest.subarray(HEADER_BYTES);
        continue;
      }
      // 1 to 3 are the special packets of protocol 2, which proc-receive does not use.
      if (length < HEADER_BYTES || length > MAX_PACKET_BYTES) throw new Error(`not a pkt-line: length ${length}`);
      if (this.#rest.length < length) return packets;
      packets.push({ type: "data", payload: Buffer.from(this.#rest.subarray(HEADER_BYTES, length)) });
      this.#rest = this.#rest.subarray(length);
    }
  }
}
