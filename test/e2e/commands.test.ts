import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { command, thisPlatform } from "../setup/platform.ts";

const platform = thisPlatform();

interface Recorded {
  readonly pid: number;
}

describe("npm start, npm stop", () => {
  it("show each step and end with a URL where the sample app answers", async () => {
    for (const step of ["checked", "database", "queue", "host", "sample app"]) expect(platform.output).toMatch(new RegExp(`✔ ${step}`));
    expect(platform.liveUrl).toBe(`http://hello-demo.localhost:${platform.httpPort}`);
    expect(platform.claimUrl).toMatch(new RegExp(`^http://localhost:${platform.httpPort}/claim/[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$`));
    expect(await get(platform.liveUrl)).toMatchObject({ status: 200, body: expect.stringContaining("It floats.") });
    expect(await get(`http://localhost:${platform.httpPort}/login`)).toMatchObject({ status: 200 });
  });

  it("adopt in under 5 s what runs", async () => {
    const before = records();
    const begin = performance.now();
    const output = await command("start");
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(output).toContain(platform.liveUrl);
    expect(records()).toEqual(before);
  });

  it("leave the instance and its URL alone when the platform is stopped, and find them again", async () => {
    const instance = await instanceShown();
    const stopped = await command("stop");
    expect(stopped).toContain("Instances and their ingress go on");
    expect(Object.keys(records())).toEqual([]);
    expect(await instanceShown()).toBe(instance);
    await command("start");
    expect(await instanceShown()).toBe(instance);
  });

  it("have each process back after kill -9, with every request answered meanwhile", async () => {
    const failures: string[] = [];
    let watching = true;
    const watcher = (async () => {
      while (watching) {
        const { status } = await get(platform.liveUrl);
        if (status !== 200) failures.push(`status ${status}`);
        await pause(50);
      }
    })();
    for (const name of ["postgres", "redis", "registry", "server", "portal", "agent"]) {
      const { pid } = records()[name] ?? { pid: 0 };
      process.kill(pid, "SIGKILL");
      await expect.poll(() => records()[name]?.pid, { timeout: 2_000 }).not.toBe(pid);
    }
    await expect.poll(async () => (await get(`http://localhost:${platform.httpPort}/login`)).status, { timeout: 20_000 }).toBe(200);
    watching = false;
    await watcher;
    expect(failures).toEqual([]);
    await expect.poll(() => command("status"), { timeout: 30_000 }).toMatch(/this-host +ready/);
  });
});

async function instanceShown(): Promise<string> {
  const { body } = await get(platform.liveUrl);
  return /<code>([^<]+)<\/code>/.exec(body)?.[1] ?? "none";
}

function records(): Record<string, Recorded> {
  return JSON.parse(readFileSync(join(platform.dataDir, "run/processes.json"), "utf8")) as Record<string, Recorded>;
}

/** Node does not resolve names below localhost: the ingress of this machine is asked for them. */
function get(url: string): Promise<{ status: number; body: string }> {
  const { host, port, pathname } = new URL(url);
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path: pathname, headers: { host }, agent: false, timeout: 5_000 }, (answer) => {
      let body = "";
      answer.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    asked.once("timeout", () => asked.destroy());
    asked.once("error", (error) => resolve({ status: 0, body: error.message }));
    asked.end();
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
