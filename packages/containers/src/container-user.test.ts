import { describe, expect, it } from "vitest";
import { resolveUser } from "./container-user.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\napp:x:1000:1001::/home/app:/bin/sh\n1234:x:55:55::/odd:\nbroken\n";
const group = "root:x:0:\napp:x:1001:\nwheel:x:10:root,app\ndocker:x:998:app\n";
const resolve = (user: string) => {
  const { uid, gid, additionalGids, home } = resolveUser(user, passwd, group);
  return [uid, gid, additionalGids.join("+"), home].join(" ");
};

describe("a container's user", () => {
  it.each([
    ["", "0 0 10 /root"],
    ["root", "0 0 10 /root"],
    ["app", "1000 1001 10+998 /home/app"],
    ["1000", "1000 1001 10+998 /home/app"],
    ["app:wheel", "1000 10  /home/app"],
    ["app:77", "1000 77  /home/app"],
    ["4711", "4711 0  /"],
    ["4711:4712", "4711 4712  /"],
    // A listed name wins over the number it looks like.
    ["1234", "55 55  /odd"],
  ])("resolves %j as Docker does", (user, expected) => expect(resolve(user)).toBe(expected));

  it.each([["nobody"], ["app:nogroup"], ["4294967295"], ["-1"], ["1e3"]])("refuses %j", (user) => {
    expect(() => resolve(user)).toThrow(/has no (user|group)/);
  });

  it("takes numbers where the image lists nobody", () => {
    expect(resolveUser("", "", "")).toEqual({ uid: 0, gid: 0, additionalGids: [], home: "/" });
  });
});
