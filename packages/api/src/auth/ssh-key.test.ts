import { describe, expect, it } from "vitest";
import { parseSshPublicKey } from "./ssh-key.ts";

const ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUPTTDNVWGCgVyXGrGhh8UpNSSIDHzJqZMHGq9WcgaY";

function rsa(bits: number): string {
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, 0]).fill(0), bytes]).fill(0, 0, 0);
  const wire = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, field(bytes).subarray(4)]);
  };
  const modulus = Buffer.concat([Buffer.from([0]), Buffer.alloc(bits / 8, 0xff)]);
  return `ssh-rsa ${Buffer.concat([wire(Buffer.from("ssh-rsa")), wire(Buffer.from([1, 0, 1])), wire(modulus)]).toString("base64")}`;
}

describe("SSH public keys", () => {
  it("are read as ssh-keygen writes them", () => {
    const parsed = parseSshPublicKey(`${ED25519} ana@laptop of mine\n`);
    expect(parsed).toMatchObject({ publicKey: ED25519, comment: "ana@laptop of mine" });
    expect(parsed.fingerprint).toMatch(/^SHA256:[\w+/]{43}$/);
    expect(parseSshPublicKey(rsa(2048)).publicKey).toBe(rsa(2048));
  });

  it.each([
    ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc", /keep it/],
    ["a short RSA key", rsa(1024), /at least 2048 bits/],
    ["DSA", "ssh-dss AAAAB3NzaC1kc3M=", /ssh-dss are not taken/],
    ["a type that is not the content's", ED25519.replace("ssh-ed25519", "ssh-rsa"), /differ/],
    ["a key that is cut off", `${ED25519.slice(0, 40)}`, /cut off/],
    ["nothing", "", /not taken/],
    ["no base64", "ssh-ed25519 <script>", /not base64/],
  ])("are refused with the reason: %s", (_what, line, reason) => {
    expect(() => parseSshPublicKey(line)).toThrow(reason);
  });
});
