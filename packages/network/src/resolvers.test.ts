import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nameservers, resolvConf, upstreamResolvers } from "./resolvers.ts";

describe("resolvers", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "plim-resolv-"));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const file = async (name: string, text: string) => {
    await writeFile(join(dir, name), text);
    return join(dir, name);
  };

  it("are read from nameserver lines, IPv4 only, once each", () => {
    const text =
      "# nameserver 1.1.1.1\nsearch corp\nnameserver 192.0.2.1 # office\nnameserver\t192.0.2.2\nnameserver fe80::1\nnameserver 192.0.2.1\nnameserver 999.1.1.1\n";
    expect(nameservers(text)).toEqual(["192.0.2.1", "192.0.2.2"]);
  });

  it("are those behind a stub on loopback", async () => {
    const stub = await file("stub", "nameserver 127.0.0.53\noptions edns0\n");
    const real = await file("real", "nameserver 192.0.2.1\n");
    expect(await upstreamResolvers([stub, join(dir, "absent"), real])).toEqual(["192.0.2.1"]);
  });

  it("keep a link-local one, which clouds have", async () => {
    expect(await upstreamResolvers([await file("cloud", "nameserver 169.254.169.253\n")])).toEqual(["169.254.169.253"]);
  });

  it("are at most three, as a resolver reads no more", async () => {
    const many = await file("many", [1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}`).join("\n"));
    expect(await upstreamResolvers([many])).toHaveLength(3);
  });

  it("say what to do when there is only a stub", async () => {
    const stub = await file("stub", "nameserver 127.0.0.1\n");
    await expect(upstreamResolvers([stub])).rejects.toMatchObject({
      code: "precondition_failed",
      message: expect.stringContaining("PLIMSOLL_RESOLVERS"),
    });
  });

  it("are all that an instance's resolv.conf says", () => {
    expect(resolvConf(["192.0.2.1", "192.0.2.2"])).toBe("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
  });
});
