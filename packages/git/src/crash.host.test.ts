import { rm } from "node:fs/promises";
import { run, start } from "@plimsoll/exec";
import { afterEach, describe, expect, it } from "vitest";
import { GitWorld, until } from "./git-fixture.ts";

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A git server in a process of its own, whose platform knows Ana's key; `body` prepares its `platform`. */
async function serverProcess(body: string): Promise<{ readonly directory: string; readonly push: string; kill(): Promise<void> }> {
  const fixture = new URL("git-fixture.ts", import.meta.url).href;
  const program = `
    const { GitWorld } = await import(${JSON.stringify(fixture)});
    const world = await GitWorld.open();
    const { platform } = world;
    ${body}
    const ana = await world.person("Ana");
    const commit = await ana.commit("Free shipping");
    console.log(JSON.stringify({ directory: world.directory }));
    void ana.push().then((push) => console.log(push.stderr));
  `;
  const child = await start([process.execPath, "--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  endings.push(kill);
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await until(() => output.includes("\n"));
  const { directory } = JSON.parse(output) as { directory: string };
  endings.push(() => rm(directory, { recursive: true, force: true }));
  return { directory, push: output, kill };
}

async function gitProcesses(directory: string): Promise<string> {
  const { stdout } = await run(["ps", "-eo", "args"]);
  return stdout
    .split("\n")
    .filter((line) => line.includes(`${directory}/repositories`) || line.includes(`${directory}/hooks`))
    .join("\n");
}

const keptRef = async (directory: string) =>
  (await run(["git", "--git-dir", `${directory}/repositories/app_1.git`, "for-each-ref", "refs/plim/pushes/"], { okCodes: [0, 128] }))
    .stdout;

describe("kill -9 of the server", () => {
  it("between keeping a commit and recording its push loses nothing: the next start records it", async () => {
    const crashed = await serverProcess("platform.recordPush = () => new Promise(() => undefined);");
    await until(async () => (await keptRef(crashed.directory)) !== "");
    await crashed.kill();
    await until(async () => (await gitProcesses(crashed.directory)) === "");

    const world = await GitWorld.open(crashed.directory);
    endings.push(() => world.stop());
    const [push] = await world.platform.recorded(1);
    expect(world.platform.pushes.size).toBe(1);
    expect(push).toMatchObject({
      appUid: "app_1",
      branch: "main",
      subject: "Free shipping",
      author: "Ana",
      pusher: { userId: "user_ana", name: "Ana" },
    });
    if (push === undefined) return;
    expect(await world.server.finishPush(push)).toEqual({ moved: true });
  });

  it("during a deploy leaves no git process and no half-made repository, and the deploy can be finished", async () => {
    const crashed = await serverProcess("platform.deploy = () => undefined;");
    await until(async () => (await keptRef(crashed.directory)) !== "");
    await crashed.kill();
    await until(async () => (await gitProcesses(crashed.directory)) === "");
    await run(["mkdir", `${crashed.directory}/repositories/.making-crashed`]);

    const world = await GitWorld.open(crashed.directory);
    endings.push(() => world.stop());
    const [push] = await world.platform.recorded(1);
    if (push === undefined) throw new Error("no push");
    expect(await world.server.finishPush(push)).toEqual({ moved: true });
    expect((await run(["ls", "-A", `${crashed.directory}/repositories`])).stdout).toBe("app_1.git\n");
  });
});
