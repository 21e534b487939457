import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, fillBusybox, imageOf } from "./testing/build-host.ts";

describe("builder, ONBUILD and config of a base image", () => {
  let host: BuildHost;
  beforeAll(async () => {
    expect(existsSync("/bin/busybox")).toBe(true);
    host = await BuildHost.open();
    await host.addBase("tools", fillBusybox);
    await host.addBase("runner", fillBusybox, {
      onBuild: ["COPY --from=tools /bin/sh /from-tools", "COPY app.txt /app.txt", "RUN cat /app.txt > /seen", "ENV TRIGGERED=1"],
      volumes: ["/data"],
      stopSignal: "SIGINT",
      shell: ["/bin/sh", "-ec"],
      healthcheck: { test: ["CMD", "/probe"], retries: 2 },
      author: "somebody",
    });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  it("runs a base's triggers before the stage's own steps, and hands the rest of its config on", async () => {
    const run = await host.build({
      Dockerfile: "FROM runner\nRUN cat /seen > /own && echo $TRIGGERED >> /own\nCMD x\n",
      "app.txt": "hello\n",
    });
    const image = imageOf(run);
    expect(image.config).toMatchObject({
      volumes: ["/data"],
      stopSignal: "SIGINT",
      shell: ["/bin/sh", "-ec"],
      cmd: ["/bin/sh", "-ec", "x"],
      healthcheck: { test: ["CMD", "/probe"], retries: 2 },
      author: "somebody",
    });
    expect(image.config).not.toHaveProperty("onBuild");
    using own = host.layerTree(image, image.layers.length - 1);
    expect(own.readFile("/own").toString()).toBe("hello\n1\n");
    expect(
      imageOf(
        await host.build({ Dockerfile: "FROM runner\nRUN cat /seen > /own && echo $TRIGGERED >> /own\nCMD x\n", "app.txt": "hello\n" }),
      ),
    ).toEqual(image);
  });

  it("names the stage that was meant where there is no such image", async () => {
    const run = await host.build({ Dockerfile: "FROM busybox AS build\nFROM busybox\nCOPY --from=biuld /bin/sh /x\n" });
    expect(failureOf(run)).toMatchObject({
      reason: "base_image",
      line: 3,
      message: expect.stringContaining("Did you mean the stage build?"),
    });
  });

  it("says at the FROM what a trigger lacks", async () => {
    expect(failureOf(await host.build({ Dockerfile: "# base\nFROM runner\n" }))).toMatchObject({
      reason: "context",
      file: "Dockerfile",
      line: 2,
      instruction: "ONBUILD COPY app.txt /app.txt",
    });
  });
});
