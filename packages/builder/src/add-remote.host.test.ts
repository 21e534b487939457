import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChildProcess, minimalEnv, run, start } from "@plimsoll/exec";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FetchNetwork } from "./execute/build-network.ts";
import { fetchUrl } from "./execute/fetch-url.ts";
import { BuildHost, type BuildRun, failureOf, imageOf } from "./testing/build-host.ts";
import type { Served, ServedFile } from "./testing/remote-server.ts";
import { commitFiles } from "./testing/repository.ts";

const PORT = 8_080;
const AT = `http://127.0.0.1:${PORT}`;
const SERVER = fileURLToPath(new URL("./testing/remote-server.ts", import.meta.url));

describe("builder, ADD of what is fetched", () => {
  let host: BuildHost;
  let dir: string;
  let files: Record<string, ServedFile> = {};
  const servers: ChildProcess[] = [];

  const serve = async (network: string) => {
    const served: Served = { port: PORT, files, repositories: join(dir, "repositories"), log: join(dir, "requests") };
    const argv = ["nsenter", `--net=${network}`, "--", process.execPath, SERVER, JSON.stringify(served)];
    const child = await start(argv, { stdio: ["ignore", "pipe", "inherit"], env: minimalEnv });
    servers.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", () => reject(new Error("the server did not start")));
    });
  };
  beforeAll(async () => {
    host = await BuildHost.open();
    dir = mkdtempSync(join(tmpdir(), "plimsoll-add-remote-"));
    mkdirSync(join(dir, "repositories"));
    host.onNetwork = serve;
  });
  afterEach(async () => {
    for (const child of servers.splice(0)) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    files = {};
  });
  afterAll(async () => {
    rmSync(dir, { recursive: true, force: true });
    await host[Symbol.asyncDispose]();
  });

  const add = (line: string) => host.build({ Dockerfile: `FROM busybox\n${line}\n` });
  const lastOf = (built: BuildRun) => host.layerTree(imageOf(built), -1);
  const digestOf = (text: string, algorithm = "sha256") => `${algorithm}:${createHash(algorithm).update(text).digest("hex")}`;

  describe("by URL", () => {
    it("is a file of root's, 0600, with its server's time, under the name of its path; archives stay what they are", async () => {
      const body = "downloaded\n";
      files = { "/dir/tool.tar": { body, headers: { "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" } }, "/plain": { body: "p" } };
      const built = await add(`ADD ${AT}/dir/tool.tar?x=1 ${AT}/plain /to/`);
      using tree = lastOf(built);
      expect(tree.readdir("/to").map(String)).toEqual(["plain", "tool.tar"]);
      expect(tree.readFile("/to/tool.tar").toString()).toBe(body);
      const stats = tree.lstat("/to/tool.tar");
      expect(stats).toMatchObject({ uid: 0, gid: 0, mtimeMs: Date.parse("2015-10-21T07:28:00Z") });
      expect(stats.mode & 0o7777).toBe(0o600);
      expect(tree.lstat("/to/plain").mtimeMs).toBe(0);
      const moded = await add(`ADD --chmod=755 --chown=3:4 ${AT}/plain /bin/tool`);
      using other = lastOf(moded);
      expect(other.lstat("/bin/tool")).toMatchObject({ uid: 3, gid: 4 });
      expect(other.lstat("/bin/tool").mode & 0o7777).toBe(0o755);
    });

    it("is fetched by each build, and the step executed again only when it changed; with a checksum not even that", async () => {
      files = { "/file": { body: "one" } };
      const line = `ADD ${AT}/file /f`;
      imageOf(await add(line));
      expect((await add(line)).steps.done).toEqual([]);
      files = { "/file": { body: "two" } };
      expect((await add(line)).steps.done).toHaveLength(1);
      const checked = `ADD --checksum=${digestOf("two")} ${AT}/file /f`;
      imageOf(await add(checked));
      files = {};
      expect((await add(checked)).steps.done).toEqual([]);
      expect(failureOf(await add(line))).toMatchObject({ reason: "context", line: 2, message: expect.stringContaining("404") });
    });

    it("is not downloaded again while its server calls it the same, whether the server compares or we do", async () => {
      const headers = { etag: '"one"', "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" };
      // Torn: whoever reads the body of it fails.
      for (const [path, again] of [
        ["/heeds", { headers, heedsTags: true as const }],
        ["/ignores", { headers: { ...headers, "content-length": "100" }, body: "half", torn: true }],
      ] as const) {
        files = { [path]: { body: "one", headers } };
        const line = `ADD ${AT}${path} /f`;
        const first = imageOf(await add(line));
        files = { [path]: again };
        expect((await add(line)).steps.done).toEqual([]);
        using elsewhere = lastOf(await add(`ADD ${AT}${path} /other`));
        expect(elsewhere.readFile("/other").toString()).toBe("one");
        expect(elsewhere.lstat("/other").mtimeMs).toBe(Date.parse("2015-10-21T07:28:00Z"));
        files = { [path]: { body: "two", headers: { etag: '"two"' } } };
        const changed = await add(line);
        expect(changed.steps.done).toHaveLength(1);
        expect(imageOf(changed).digest).not.toBe(first.digest);
        files = { [path]: { ...again, headers: { ...again.headers, etag: '"two"' } } };
        expect((await add(line)).steps.done).toEqual([]);
        const asked = readFileSync(join(dir, "requests"), "utf8")
          .split("\n")
          .filter((one) => one.startsWith(path));
        expect(asked).toEqual([`${path} `, ...['"one"', '"one"', '"one"', '"two"'].map((tag) => `${path} ${tag}`)]);
        // Whoever wants everything made anew gets it from the server.
        files = { [path]: { body: "two", headers: { etag: '"two"' } } };
        imageOf(await host.build({ Dockerfile: `FROM busybox\n${line}\n` }, { request: { noCache: true } }));
        expect(readFileSync(join(dir, "requests"), "utf8")).toMatch(new RegExp(`${path} \\n$`));
      }
    });

    it("is refused where its checksum is another, its transfer tears, or it redirects for ever or to a file", async () => {
      files = {
        "/file": { body: "content" },
        "/moved": { status: 301, headers: { location: "/file" } },
        "/loop": { status: 302, headers: { location: "/loop" } },
        "/away": { status: 302, headers: { location: "file:///etc/passwd" } },
        "/torn": { body: "half", headers: { "content-length": "100" }, torn: true },
      };
      using moved = lastOf(await add(`ADD --checksum=${digestOf("content", "sha512")} ${AT}/moved /f`));
      expect(moved.readFile("/f").toString()).toBe("content");
      const wrong = failureOf(await add(`ADD --checksum=${digestOf("other")} ${AT}/file /g`));
      expect(wrong).toMatchObject({ reason: "context", message: expect.stringContaining(digestOf("content")) });
      expect(failureOf(await add(`ADD ${AT}/loop /f`)).message).toContain("more than 10 times");
      expect(failureOf(await add(`ADD ${AT}/away /f`)).message).toContain("file:");
      expect(failureOf(await add(`ADD ${AT}/torn /f`)).message).toContain("cannot be fetched");
      expect(failureOf(await add("ADD http://nowhere.invalid/x /f")).message).toContain("name of its server");
    });

    it("reaches what the build's network reaches and nothing of the host (control: without that network it does)", async () => {
      const server = http.createServer((_, response) => response.end("of the host"));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/`;
      try {
        expect(failureOf(await add(`ADD ${url}x /f`)).message).toContain("ECONNREFUSED");
        files = { "/redirect": { status: 307, headers: { location: url } } };
        expect(failureOf(await add(`ADD ${AT}/redirect /f`)).message).toContain("ECONNREFUSED");
        class HostNetwork extends FetchNetwork {
          override argv(_: unknown, program: readonly string[]): readonly string[] {
            return program;
          }
        }
        const file = join(dir, "reached");
        await fetchUrl({ url, file }, { network: { path: "", nameservers: [] }, through: new HostNetwork(dir) });
        expect(readFileSync(file, "utf8")).toBe("of the host");
        rmSync(file);
        // And a download without end is bounded.
        const bounded = fetchUrl({ url, file, maxBytes: 5 }, { network: { path: "", nameservers: [] }, through: new HostNetwork(dir) });
        await expect(bounded).rejects.toThrow("larger than 5 bytes");
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    });
  });

  describe("by git", () => {
    const origin = () => join(dir, "repositories/tool.git");
    let first = "";
    let second = "";
    beforeAll(async () => {
      await run(["git", "init", "-q", "--bare", origin()]);
      const link = { content: "/etc/passwd", mode: "link" as const };
      first = await commitFiles(
        origin(),
        { "README.md": "one\n", "src/run": { content: "#!", mode: "755" }, "src/link": link },
        { seconds: 1_600_000_000, branch: "main" },
      );
      await run(["git", `--git-dir=${origin()}`, "tag", "v1", first]);
      second = await commitFiles(origin(), { "README.md": "two\n" }, { seconds: 1_650_000_000, branch: "main" });
      await run(["git", `--git-dir=${origin()}`, "symbolic-ref", "HEAD", "refs/heads/main"]);
    });

    it("brings a branch, tag, commit or directory, as root's files with the commit's time, without .git", async () => {
      using main = lastOf(await add(`ADD ${AT}/git/tool.git /src`));
      expect(main.readFile("/src/README.md").toString()).toBe("two\n");
      expect(main.lstat("/src/README.md")).toMatchObject({ uid: 0, gid: 0, mtimeMs: 1_650_000_000_000 });
      using tagged = lastOf(await add(`ADD ${AT}/git/tool.git#v1:src /src/`));
      expect(tagged.readdir("/src").map(String)).toEqual(["link", "run"]);
      expect(tagged.lstat("/src/run").mode & 0o7777).toBe(0o755);
      expect(tagged.readlink("/src/link").toString()).toBe("/etc/passwd");
      using exact = lastOf(await add(`ADD --exclude=src ${AT}/git/tool.git#${first} /src`));
      expect(exact.readdir("/src").map(String)).toEqual(["README.md"]);
    });

    it("keeps the repository where that is asked for", async () => {
      using kept = lastOf(await add(`ADD --keep-git-dir=true --chown=5:6 ${AT}/git/tool.git#v1 /src`));
      expect(kept.readFile("/src/.git/HEAD").toString()).toBe(`${first}\n`);
      expect(kept.lstat("/src/.git/HEAD")).toMatchObject({ uid: 5, gid: 6 });
      expect(kept.readFile("/src/.git/config").toString()).toContain(`${AT}/git/tool.git`);
      expect(kept.exists("/src/.git/hooks")).toBe(false);
    });

    it("is executed again only for another commit; a commit's id needs no server", async () => {
      const line = `ADD ${AT}/git/tool.git#main /tool`;
      imageOf(await add(line));
      expect((await add(line)).steps.done).toEqual([]);
      const exact = `ADD ${AT}/git/tool.git#${second} /tool`;
      imageOf(await add(exact));
      host.onNetwork = async () => undefined;
      try {
        expect((await add(exact)).steps.done).toEqual([]);
      } finally {
        host.onNetwork = serve;
      }
      await commitFiles(origin(), { "README.md": "three\n" }, { branch: "main" });
      expect((await add(line)).steps.done).toHaveLength(1);
    });

    it("is refused with a sentence where it is not to be had", async () => {
      const failed = async (line: string) => failureOf(await add(line));
      expect(await failed(`ADD ${AT}/git/none.git /x`)).toMatchObject({
        reason: "context",
        line: 2,
        message: expect.stringContaining("git says"),
      });
      expect((await failed(`ADD ${AT}/git/tool.git#nowhere /x`)).message).toContain("no branch or tag nowhere");
      expect((await failed(`ADD ${AT}/git/tool.git#v1:none /x`)).message).toContain("no directory none");
      expect((await failed(`ADD --checksum=${second.slice(0, 12)} ${AT}/git/tool.git#v1 /x`)).message).toContain(`is at ${first}`);
    });
  });
});
