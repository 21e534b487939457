import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf } from "./testing/build-host.ts";

describe("builder, files only", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  it("copies from the context into scratch and answers again from the cache", async () => {
    const files = {
      Dockerfile: 'FROM scratch\nWORKDIR /app\nCOPY package.json run.sh ./\nCOPY --chown=7:8 --chmod=750 src /srv\nCMD ["/app/run.sh"]\n',
      "package.json": "{}",
      "run.sh": { content: "#!/bin/sh\n", mode: "755" },
      "src/a/b.txt": "b",
      "src/link": { content: "a/b.txt", mode: "link" },
    } as const;
    const first = await host.build(files);
    const image = imageOf(first);
    expect(image.config).toMatchObject({ cmd: ["/app/run.sh"], workingDir: "/app" });
    expect(first.steps).toEqual({
      cached: ["FROM scratch"],
      done: ["WORKDIR /app", "COPY package.json run.sh ./", "COPY --chown=7:8 --chmod=750 src /srv"],
      failed: [],
    });
    expect(image.layers).toHaveLength(3);
    using app = host.layerTree(image, 1);
    expect(app.readFile("/app/package.json").toString()).toBe("{}");
    expect(app.lstat("/app/run.sh")).toMatchObject({ mode: 0o100755, uid: 0, gid: 0, mtimeMs: 1_700_000_000_000 });
    expect(app.lstat("/app/package.json").mode).toBe(0o100644);
    using srv = host.layerTree(image, 2);
    expect(srv.lstat("/srv/a/b.txt")).toMatchObject({ mode: 0o100750, uid: 7, gid: 8 });
    expect(srv.lstat("/srv/a")).toMatchObject({ mode: 0o40750, uid: 7, gid: 8 });
    expect(srv.readlink("/srv/link").toString()).toBe("a/b.txt");

    const again = await host.build(files);
    expect(imageOf(again)).toEqual(image);
    expect(again.steps.done).toEqual([]);
    console.log(`nothing changed: ${again.elapsedMs.toFixed(1)} ms`);
  });

  it("explains what is missing", async () => {
    const missing = await host.build({ Dockerfile: "FROM scratch\n\nCOPY nothing /\n" });
    expect(failureOf(missing)).toMatchObject({ reason: "context", file: "Dockerfile", line: 3, instruction: "COPY nothing /" });
    const ignored = await host.build({ Dockerfile: "FROM scratch\nCOPY a/b /\n", ".dockerignore": "x\na\n", "a/b": "b" });
    expect(failureOf(ignored).message).toContain("left out by line 2 of .dockerignore");
  });
});
