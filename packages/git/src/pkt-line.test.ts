import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodePacket, FLUSH, MAX_PACKET_BYTES, PacketDecoder } from "./pkt-line.ts";

describe("pkt-line", () => {
  it("gives back what was encoded, wherever the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(undefined))),
        fc.integer({ min: 1, max: 50 }),
        (sent, cut) => {
          const stream = Buffer.concat(sent.map((payload) => (payload === undefined ? FLUSH : encodePacket(payload))));
          const decoder = new PacketDecoder();
          const received: (string | undefined)[] = [];
          for (let at = 0; at < stream.length; at += cut) {
            for (const packet of decoder.push(stream.subarray(at, at + cut))) {
              received.push(packet.type === "flush" ? undefined : packet.payload.toString("hex"));
            }
          }
          expect(received).toEqual(sent.map((payload) => (payload === undefined ? undefined : Buffer.from(payload).toString("hex"))));
        },
      ),
    );
  });

  it("counts the header in the length, as git does", () => {
    expect(encodePacket("hi\n").toString()).toBe("0007hi\n");
  });

  it("refuses what is no pkt-line instead of waiting for more", () => {
    expect(() => new PacketDecoder().push(Buffer.from("GET / HTTP/1.1"))).toThrow(/not a pkt-line/);
    expect(() => new PacketDecoder().push(Buffer.from("0002"))).toThrow(/not a pkt-line/);
    expect(() => new PacketDecoder().push(Buffer.from("ffff"))).toThrow(/not a pkt-line/);
  });

  it("refuses a payload that does not fit", () => {
    expect(() => encodePacket(Buffer.alloc(MAX_PACKET_BYTES))).toThrow(RangeError);
  });
});
