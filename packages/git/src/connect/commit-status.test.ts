import { describe, expect, it } from "vitest";
import { guessProvider, statusRequest } from "./commit-status.ts";
import { parseRemote } from "./remote-url.ts";

const STATUS = {
  commit: "c".repeat(40),
  state: "success",
  description: `v14 is live${"!".repeat(300)}`,
  url: "https://plimsoll.example/acme/store/apps/shop/builds/shop-b7",
  context: "plimsoll/store/shop",
} as const;

describe("the status of a commit", () => {
  it("is set as GitHub, GitLab and Gitea document it", () => {
    const github = statusRequest("github", parseRemote("https://github.com/acme/shop.git"), "t0ken", STATUS);
    expect(github?.url).toBe(`https://api.github.com/repos/acme/shop/statuses/${STATUS.commit}`);
    expect(github?.headers).toMatchObject({ authorization: "Bearer t0ken", accept: "application/vnd.github+json" });
    expect(JSON.parse(github?.body ?? "")).toEqual({
      state: "success",
      target_url: STATUS.url,
      description: STATUS.description.slice(0, 140),
      context: "plimsoll/store/shop",
    });
    const enterprise = statusRequest("github", parseRemote("https://github.acme.example/acme/shop"), "t0ken", STATUS);
    expect(enterprise?.url).toBe(`https://github.acme.example/api/v3/repos/acme/shop/statuses/${STATUS.commit}`);

    const gitlab = statusRequest("gitlab", parseRemote("https://gitlab.example:8443/group/sub/shop.git"), "t0ken", {
      ...STATUS,
      state: "failure",
    });
    expect(gitlab?.url).toBe(`https://gitlab.example:8443/api/v4/projects/group%2Fsub%2Fshop/statuses/${STATUS.commit}`);
    expect(gitlab?.headers).toMatchObject({ "private-token": "t0ken" });
    expect(JSON.parse(gitlab?.body ?? "")).toMatchObject({ state: "failed", name: "plimsoll/store/shop" });
    expect(
      JSON.parse(statusRequest("gitlab", parseRemote("https://gitlab.com/a/b"), "t", { ...STATUS, state: "pending" })?.body ?? ""),
    ).toMatchObject({ state: "running" });

    const gitea = statusRequest("gitea", parseRemote("https://codeberg.org/acme/shop.git"), "t0ken", STATUS);
    expect(gitea?.url).toBe(`https://codeberg.org/api/v1/repos/acme/shop/statuses/${STATUS.commit}`);
    expect(gitea?.headers).toMatchObject({ authorization: "token t0ken" });
    expect(statusRequest("plain", parseRemote("https://git.example/shop.git"), "t0ken", STATUS)).toBeUndefined();
  });

  it.each([
    ["https://github.com/a/b", "github"],
    ["git@gitlab.com:a/b", "gitlab"],
    ["https://codeberg.org/a/b", "gitea"],
    ["https://git.example/a/b", "plain"],
    ["https://notgithub.com/a/b", "plain"],
  ])("has the interface that its host most likely has: %s", (url, provider) => expect(guessProvider(parseRemote(url))).toBe(provider));
});
