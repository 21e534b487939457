import { expect, it } from "vitest";
import { etcFiles } from "./etc-files.ts";

it("writes what a container finds below /etc, and lets no value begin a line of its own", () => {
  const files = etcFiles({
    hostname: "web-1",
    hosts: [{ address: "10.0.0.1", names: ["db\n6.6.6.6 evil", "db.internal"] }],
    resolver: { nameservers: ["169.254.1.1"], search: ["a.b"], options: ["ndots:1"] },
  });
  expect(files).toEqual({
    hosts: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.1 db6.6.6.6evil db.internal\n",
    hostname: "web-1\n",
    "resolv.conf": "nameserver 169.254.1.1\nsearch a.b\noptions ndots:1\n",
  });
});
