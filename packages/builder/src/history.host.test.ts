import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, imageOf } from "./testing/build-host.ts";

describe("the history of an image", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
    await host.addBase("told", () => undefined, { history: [{ createdBy: "ADD rootfs /" }, { createdBy: "CMD x", emptyLayer: true }] });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  it("is the base's and every instruction as it was written, with one entry for each layer", async () => {
    const dockerfile = [
      "FROM busybox AS below",
      "ARG VERSION",
      "RUN --mount=type=secret,id=TOKEN,env=TOKEN \\",
      '  test -n "$TOKEN" && echo "$VERSION" > /version',
      "RUN true",
      "FROM below",
      "ENV FOR=$VERSION",
      "COPY a /",
      'CMD ["sh"]',
    ];
    const files = { Dockerfile: `${dockerfile.join("\n")}\n`, a: "a" };
    const request = { secrets: { TOKEN: "s3cret-token" }, buildArgs: { VERSION: "given-value" } };
    const image = imageOf(await host.build(files, { request }));
    expect(image.config.history).toEqual([
      { createdBy: "FROM busybox AS below" },
      { createdBy: "ARG VERSION", emptyLayer: true },
      { createdBy: 'RUN --mount=type=secret,id=TOKEN,env=TOKEN test -n "$TOKEN" && echo "$VERSION" > /version' },
      { createdBy: "RUN true", emptyLayer: true },
      { createdBy: "ENV FOR=$VERSION", emptyLayer: true },
      { createdBy: "COPY a /" },
      { createdBy: 'CMD ["sh"]', emptyLayer: true },
    ]);
    expect(image.layers).toHaveLength(3);
    expect(JSON.stringify(image)).not.toContain("s3cret-token");
    expect(JSON.stringify(image.config.history)).not.toContain("given-value");
    const again = imageOf(await host.build(files, { request: { ...request, noCache: true } }));
    expect(again.config).toEqual(image.config);
  });

  it("goes on from what the base tells of itself", async () => {
    const image = imageOf(await host.build({ Dockerfile: "FROM told\nCOPY a /\n", a: "a" }));
    expect(image.config.history?.map(({ createdBy }) => createdBy)).toEqual(["ADD rootfs /", "CMD x", "COPY a /"]);
  });
});
