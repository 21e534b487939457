import { describe, expect, it } from "vitest";
import { layoutOf } from "./layout.ts";
import { wantedBy } from "./wanted.ts";

describe("wantedBy", () => {
  it("starts with the defaults of a checkout", () => {
    expect(wantedBy({ PLIMSOLL_CODE: "c", HOME: "/root" }, undefined, "production")).toEqual({
      processes: "none",
      mode: "production",
      httpPort: 8080,
      sshPort: 2222,
      hostName: "this-host",
      settings: {},
      code: "c",
      portalCode: "",
    });
  });

  it("remembers what an earlier start was told, lets a later one change it, and forgets it for an empty variable", () => {
    const told = {
      PLIMSOLL_HTTP_PORT: "8081",
      PLIMSOLL_APPS_DOMAIN: "example.app",
      DATABASE_URL: "postgresql://db/p",
      HTTPS_PROXY: "http://p",
    };
    const first = wantedBy(told, undefined, "production");
    expect(first).toMatchObject({
      httpPort: 8081,
      databaseUrl: "postgresql://db/p",
      settings: { PLIMSOLL_APPS_DOMAIN: "example.app", HTTPS_PROXY: "http://p" },
    });
    const second = wantedBy({}, first, "production");
    expect(second).toEqual({ ...first, code: "", portalCode: "" });
    const third = wantedBy({ PLIMSOLL_APPS_DOMAIN: "", DATABASE_URL: "", PLIMSOLL_HTTP_PORT: "8082" }, second, "production");
    expect(third).toMatchObject({ httpPort: 8082, settings: { HTTPS_PROXY: "http://p" } });
    expect(third.databaseUrl).toBeUndefined();
    expect(third.settings.PLIMSOLL_APPS_DOMAIN).toBeUndefined();
  });

  it("passes nothing on that is not meant for the programs", () => {
    const { settings } = wantedBy({ AWS_SECRET_ACCESS_KEY: "s", PLIMSOLL_CODE: "c", PLIMSOLL_DATA_DIR: "/d" }, undefined, "production");
    expect(settings).toEqual({});
  });
});

describe("layoutOf", () => {
  it("keeps sockets in a short directory of their own below /run, whatever the data directory is called", () => {
    expect(layoutOf("/c", "/c/.plimsoll").apiSocket).toMatch(/^\/run\/plimsoll-[0-9a-f]{10}\/api.sock$/);
    const long = layoutOf("/c", `/${"x".repeat(90)}/.plimsoll`);
    expect(long.postgresSocketDir).toMatch(/^\/run\/plimsoll-[0-9a-f]{10}\/postgres$/);
    expect(layoutOf("/c", `/${"y".repeat(90)}/.plimsoll`).apiSocket).not.toBe(long.apiSocket);
    for (const length of [50, 70, 71, 72, 73, 74, 90, 300]) {
      const { postgresSocketDir } = layoutOf("/c", `/${"x".repeat(length)}`);
      expect(`${postgresSocketDir}/.s.PGSQL.5432`.length).toBeLessThanOrEqual(107);
    }
  });
});
