import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readHookCall } from "./verify.ts";

/** Bodies and headers as the hosts document them; only what is read is kept of the bodies. */
const SECRET = "It's a Secret to Everybody";
const PUSH = JSON.stringify({ ref: "refs/heads/main", after: "c".repeat(40), repository: { full_name: "acme/shop" } });
const sign = (body: string, secret = SECRET) => createHmac("sha256", secret).update(body).digest("hex");
const read = (headers: Record<string, string>, body = PUSH, token: string | null = null) =>
  readHookCall(new Headers(headers), token, Buffer.from(body), SECRET);

const CALLS: readonly (readonly [string, Record<string, string>, string | null])[] = [
  ["GitHub", { "x-github-event": "push", "x-github-delivery": "72d3162e", "x-hub-signature-256": `sha256=${sign(PUSH)}` }, null],
  ["GitLab", { "x-gitlab-event": "Push Hook", "x-gitlab-token": SECRET }, null],
  [
    "Gitea",
    { "x-gitea-event": "push", "x-github-event": "push", "x-gitea-signature": sign(PUSH), "x-hub-signature-256": `sha256=${sign(PUSH)}` },
    null,
  ],
  ["a plain call with a header", { authorization: `Bearer ${SECRET}` }, null],
  ["a plain call with a parameter", {}, SECRET],
];

describe("a call of a webhook", () => {
  it("is what GitHub's own example of a signature says", () => {
    // From GitHub's documentation, "Validating webhook deliveries".
    const headers = { "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" };
    expect(read(headers, "Hello, World!").kind).toMatch(/forged|push/);
    expect(readHookCall(new Headers(headers), null, Buffer.from("Hello, World!"), SECRET)).toEqual({ kind: "push" });
  });

  it.each(CALLS.slice(0, 3))("from %s says what was pushed", (_, headers, token) =>
    expect(read(headers, PUSH, token)).toEqual({ kind: "push", ref: "refs/heads/main" }),
  );

  it("that is plain needs no body that anybody could read", () => {
    for (const [, headers, token] of CALLS.slice(3)) expect(read(headers, "deploy=now", token)).toEqual({ kind: "push" });
  });

  it.each(CALLS)("from %s is forged with another secret, another body or nothing", (_, headers, token) => {
    const another = "x".repeat(SECRET.length);
    const wrong = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace(SECRET, another).replace(sign(PUSH), sign(PUSH, another))]),
    );
    expect(read(wrong, PUSH, token === null ? null : another)).toEqual({ kind: "forged" });
    if (Object.keys(headers).some((name) => name.includes("signature")))
      expect(read(headers, `${PUSH} `, token)).toEqual({ kind: "forged" });
    const unsigned = Object.fromEntries(Object.entries(headers).filter(([name]) => name.endsWith("-event")));
    expect(read(unsigned)).toEqual({ kind: "forged" });
  });

  it("with one proof that is right and one that is wrong is forged", () => {
    expect(read({ "x-gitlab-token": SECRET, "x-hub-signature-256": `sha256=${"0".repeat(64)}` })).toEqual({ kind: "forged" });
    expect(read({ "x-gitlab-token": SECRET }, PUSH, "wrong")).toEqual({ kind: "forged" });
    expect(readHookCall(new Headers({ "x-gitlab-token": "" }), null, Buffer.from(PUSH), SECRET)).toEqual({ kind: "forged" });
  });

  it("about something else is that", () => {
    for (const [name, event] of [
      ["x-github-event", "ping"],
      ["x-gitlab-event", "Tag Push Hook"],
      ["x-gitea-event", "issues"],
    ] as const)
      expect(read({ [name]: event, "x-gitlab-token": SECRET })).toEqual({ kind: "other", what: event });
  });
});
