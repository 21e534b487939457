import { describe, expect, it } from "vitest";
import { eachInPortal } from "./each-in-portal.ts";
import { refusal } from "./fake-api.ts";
import { ago, app, BUILD_END, BUILD_EVENTS, build, deployment, host, hostLoad, IDLE, instance, MINUTE, release } from "./fixtures.ts";
import { ANA, bigWorld, emptyWorld, runtimeLines, shopWorld } from "./worlds.ts";

const portal = eachInPortal();
const { open } = portal;

describe("the story: claim, push, live, log, scale, rollback", () => {
  it("claims the platform and shows how to push a first app", async () => {
    portal.api.on("GET", "/claim/:code", () => ({ valid: true }));
    portal.api.on("POST", "/claim", (_match, body: Record<string, string>) => {
      const { code, name, email } = body;
      expect({ code, name, email }).toEqual({ code: "7Q2M-XK4D-93VF", name: "Ana", email: "ana@acme.example" });
      emptyWorld(portal.api);
      return [201, ANA];
    });
    const page = await open("/claim/7Q2M-XK4D-93VF");
    await page.getByRole("textbox", { name: "Your name" }).fill("Ana");
    await page.getByRole("textbox", { name: "Email" }).fill("ana@acme.example");
    await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
    await page.getByRole("button", { name: "Claim and sign in" }).click();
    await page.waitForURL("**/acme/store");
    await page.getByRole("heading", { name: "Push your first app" }).waitFor();
    await page.getByRole("textbox", { name: "App name" }).fill("shop");
    const commands = page.getByRole("figure", { name: "Commands to push the app" });
    expect(await commands.locator("code").textContent()).toBe(
      "git remote add plimsoll ssh://git@127.0.0.1:2222/acme/store/shop.git\ngit push plimsoll HEAD:main",
    );
    // The push arrives: the page changes by itself.
    portal.api.put(app("shop", { phase: "deploying", urls: [], processes: {} }));
    await page.getByRole("table", { name: "Apps" }).getByRole("link", { name: "shop" }).waitFor();
  });

  it("refuses a used claim link in the API's words", async () => {
    portal.api.on("GET", "/claim/:code", () => refusal(410, "gone", "This link was used already; sign in instead."));
    const page = await open("/claim/OLD");
    await page.getByRole("alert").getByText("This link was used already").waitFor();
    await page.getByRole("link", { name: "Sign in instead" }).waitFor();
  });

  it("shows a build while it runs, then its rollout, on one page", async () => {
    emptyWorld(portal.api);
    const shop = portal.api.put(app("shop", { phase: "deploying", release: 13 }));
    const started = new Date().toISOString();
    let running = build("shop", 212, { phase: "running", startedAt: started }, "Free shipping above 50", started);
    delete running.status.finishedAt;
    running = portal.api.put(running);
    portal.api.log("shop-b212", ...BUILD_EVENTS.slice(0, 8));
    const page = await open("/acme/store/apps/shop");
    await page.getByRole("link", { name: /^Building / }).click();
    await page.waitForURL("**/apps/shop/builds/shop-b212");
    await page.getByRole("heading", { level: 1, name: /Build 212/ }).waitFor();
    const steps = page.getByRole("navigation", { name: "Steps" });
    await steps.getByRole("button", { name: /RUN npm run build.*running/ }).waitFor();
    const log = page.getByRole("log");
    await log.getByText("> shop@1.4.0 build").waitFor();
    // Its host is lost: what the first try said goes at once, and the second one is told whole.
    portal.api.restartLog("shop-b212");
    await expect.poll(() => page.getByText("> shop@1.4.0 build").count(), { timeout: 20_000 }).toBe(0);
    portal.api.log("shop-b212", ...BUILD_EVENTS.slice(0, 8));
    await log.getByText("> shop@1.4.0 build").waitFor();
    // The connection breaks in the middle: nothing is lost, nothing is said twice.
    portal.api.cut();
    portal.api.log("shop-b212", ...BUILD_EVENTS.slice(8));
    await log.getByText("✓ 412 modules transformed.").waitFor();
    expect(await log.getByText("> shop@1.4.0 build").count()).toBe(1);
    await steps.getByRole("button", { name: /FROM node:22-slim.*cached/ }).click();
    await log.getByText("its result was taken from the cache").waitFor();

    portal.api.log("shop-b212", ...BUILD_END);
    portal.api.put(release("shop", 14, running));
    portal.api.change(running, { phase: "succeeded", release: 14, finishedAt: new Date().toISOString() });
    portal.api.endLog("shop-b212");
    const rolling = portal.api.put(deployment("shop", 20, 14, { phase: "starting" }));
    let web = portal.api.put(instance("shop", "web", 1, 14, { phase: "starting" }));
    await page.getByRole("heading", { level: 1, name: /Release v14/ }).waitFor();
    await steps.getByRole("button", { name: /web-1 on host-a.*starting/ }).click();
    await page.getByRole("log", { name: "Log of web-1" }).waitFor();
    portal.api.log(web.metadata.name, ...runtimeLines(3));
    await page.getByRole("log").getByText("GET /products/1014 200").waitFor();
    web = portal.api.change(web, { phase: "ready" });
    await steps.getByRole("button", { name: /web-1 on host-a.*ready, 0\.4 s/ }).waitFor();
    portal.api.change(rolling, { phase: "complete" });
    portal.api.change(shop, { phase: "live", release: 14 });
    await page.getByRole("heading", { level: 1, name: /complete/ }).waitFor();
    await page.getByRole("link", { name: "Open" }).waitFor();
  });

  it("tells why a build failed, with place and last lines", async () => {
    const shop = shopWorld(portal.api);
    const page = await open(`/acme/store/apps/shop/builds/${shop.failedBuild.metadata.name}`);
    const alert = page.getByRole("alert").filter({ hasText: "exit code 2" });
    await alert.getByText("Dockerfile:8").waitFor();
    await page.getByRole("log").getByText("error TS2322").waitFor();
    await page.getByRole("button", { name: "Copy the command plim logs shop --build 207 -n acme/store" }).waitFor();
  });

  it("follows, pauses and searches a runtime log", async () => {
    const shop = shopWorld(portal.api);
    const [web] = shop.instances;
    const name = web?.metadata.name ?? "";
    portal.api.log(name, ...runtimeLines(3_000));
    const page = await open("/acme/store/apps/shop");
    await page.getByRole("table", { name: "Instances" }).getByRole("link", { name: "web-1" }).click();
    const log = page.getByRole("log", { name: "Log" });
    await page.getByText("live", { exact: true }).waitFor();
    portal.api.log(name, { stream: "stdout", at: new Date().toISOString(), text: "the newest line" });
    await log.getByText("the newest line").waitFor();

    await page.getByRole("button", { name: "Pause" }).click();
    portal.api.log(name, { stream: "stdout", at: new Date().toISOString(), text: "while paused" });
    await page.getByText("paused, 1 new line").waitFor();
    expect(await log.getByText("while paused").count()).toBe(0);
    await page.getByRole("button", { name: "Go on" }).click();
    await log.getByText("while paused").waitFor();

    await page.getByRole("textbox", { name: "Search in these lines" }).fill("slow query 16:");
    await log.getByText("slow query 16:").first().waitFor();
    await page.getByText("1 of 2").waitFor();
    await page.getByRole("button", { name: "Next match" }).click();
    await page.getByText("2 of 2").waitFor();
    await page.getByRole("button", { name: "Follow the end" }).click();
    await log.getByText("while paused").waitFor();

    // It is stopped and removed: the log that is read stays.
    if (web) portal.api.remove(web);
    await page.getByText("This is the last of its log").waitFor();
    await log.getByText("while paused").waitFor();
  });

  it("scales, and says in the API's words why it cannot", async () => {
    const shop = shopWorld(portal.api);
    portal.api.on(
      "POST",
      "/namespaces/acme/store/apps/shop/scale",
      (_match, { process, replicas }: { process: string; replicas: number }) => {
        if (replicas > 4)
          return refusal(403, "quota_exceeded", "shop needs 9 × 256 MiB = 2.25 GiB memory; namespace store has 512 MiB free.");
        const changed = {
          ...shop.app.spec.processes,
          [process]: { ...shop.app.spec.processes[process], replicas },
        } as typeof shop.app.spec.processes;
        return portal.api.change(
          shop.app,
          { processes: { ...shop.app.status.processes, web: { desired: replicas, ready: 2 } } },
          { processes: changed },
        );
      },
    );
    const page = await open("/acme/store/apps/shop");
    const processes = page.getByRole("table", { name: "Processes" });
    const field = processes.getByRole("textbox", { name: "Instances of web" });
    const button = processes.getByRole("button", { name: "Scale web" });
    expect(await button.isDisabled()).toBe(true);
    await field.fill("9");
    await page.getByRole("button", { name: "Copy the command plim scale shop web=9 -n acme/store" }).waitFor();
    await button.click();
    await page.getByRole("alert").getByText("namespace store has 512 MiB free").waitFor();
    await field.fill("3");
    await button.click();
    await processes.getByText("2 of 3").waitFor();
    await expect.poll(() => page.getByRole("alert").filter({ hasText: "512 MiB" }).count()).toBe(0);
  });

  it("rolls back after a confirmation, and goes where it can be watched", async () => {
    const shop = shopWorld(portal.api);
    portal.api.on("POST", "/namespaces/acme/store/apps/shop/rollback", (_match, body) => {
      expect(body).toEqual({ release: 12 });
      return [201, portal.api.put(deployment("shop", 24, 12, { phase: "starting", previousRelease: 14 }, { reason: "rollback" }))];
    });
    const page = await open("/acme/store/apps/shop");
    await page.getByRole("button", { name: "Roll back…" }).click();
    const dialog = page.getByRole("dialog", { name: "Roll shop back" });
    const choice = dialog.getByRole("combobox", { name: "To release" });
    await expect.poll(() => choice.inputValue()).toBe("13");
    await choice.selectOption("12");
    await dialog.getByRole("button", { name: "Copy the command plim rollback shop v12 -n acme/store" }).waitFor();
    await dialog.getByRole("button", { name: "Roll back to v12" }).click();
    await page.waitForURL("**/deployments/shop-d24");
    await page.getByRole("heading", { level: 1, name: /Release v12/ }).waitFor();
    await page.getByRole("navigation", { name: "Steps" }).getByText("v14 serves until then").waitFor();
    expect(shop.deployments).toHaveLength(5);
  });
});

describe("settings", () => {
  it("changes the environment and seals secrets; owners reveal them", async () => {
    const shop = shopWorld(portal.api);
    portal.api.on("PATCH", "/namespaces/acme/store/apps/shop", (_match, { env }: { env: Record<string, string | null> }) => {
      const merged = Object.fromEntries(
        Object.entries({ ...shop.app.spec.env, ...env }).filter((entry): entry is [string, string] => entry[1] !== null),
      );
      return portal.api.change(shop.app, {}, { env: merged });
    });
    portal.api.on("PUT", "/namespaces/acme/store/apps/shop/secrets/:name", ({ name = "" }, body) => {
      expect(body).toEqual({ value: "s3cret-value" });
      portal.api.change(shop.app, {}, { secrets: { ...shop.app.spec.secrets, [name]: 1 } });
      return undefined;
    });
    portal.api.on("POST", "/namespaces/acme/store/apps/shop/secrets/:name/reveal", () => ({ value: "postgres://revealed" }));
    const page = await open("/acme/store/apps/shop/settings");
    await page.getByRole("textbox", { name: "Variable name" }).fill("FEATURE_X");
    await page.getByRole("textbox", { name: "Variable value" }).fill("on");
    await page.getByRole("button", { name: "Add variable" }).click();
    await page.getByRole("table", { name: "Environment" }).getByText("FEATURE_X").waitFor();

    await page.getByRole("textbox", { name: "Secret name" }).fill("API_KEY");
    await page.getByRole("textbox", { name: "Secret value" }).fill("s3cret-value");
    await page.getByRole("button", { name: "Add secret" }).click();
    const secrets = page.getByRole("table", { name: "Secrets" });
    await secrets.getByText("API_KEY").waitFor();
    expect(await page.content()).not.toContain("s3cret-value");
    await page.getByRole("button", { name: "Reveal DATABASE_URL" }).click();
    await secrets.getByText("postgres://revealed").waitFor();
    await page.getByRole("button", { name: "Hide DATABASE_URL" }).click();
    expect(await secrets.getByText("postgres://revealed").count()).toBe(0);
  });

  it("offers developers no reveal and no quota edit", async () => {
    shopWorld(portal.api);
    portal.api.me = { ...ANA, teams: ANA.teams.map((team) => ({ ...team, role: "developer" as const })) };
    const page = await open("/acme/store/apps/shop/settings");
    await page.getByRole("button", { name: "Replace DATABASE_URL" }).waitFor();
    expect(await page.getByRole("button", { name: /^Reveal/ }).count()).toBe(0);
    await page.goto("/acme/quota?namespace=store");
    await page.getByText("Owners of the team can change").waitFor();
    expect(await page.getByRole("button", { name: "Save quota" }).count()).toBe(0);
  });

  it("logs in to a registry, sets mirrors, and shows no password", async () => {
    shopWorld(portal.api);
    const items: { registry: string; username?: string; mirrors: string[]; changedAt: string; changedBy: string }[] = [];
    const changed = { changedAt: new Date().toISOString(), changedBy: "Ana" };
    portal.api.on("GET", "/namespaces/acme/store/registries", () => ({ items }));
    portal.api.on("PUT", "/namespaces/acme/store/registries/:registry/credential", ({ registry = "" }, body: { username: string }) => {
      expect(body).toEqual({ username: "ci", password: "s3cret-token" });
      items.push({ registry: decodeURIComponent(registry), username: body.username, mirrors: [], ...changed });
      return undefined;
    });
    portal.api.on("PUT", "/namespaces/acme/store/registries/docker.io/mirrors", (_match, { mirrors }: { mirrors: string[] }) => {
      items.push({ registry: "docker.io", mirrors, ...changed });
      return undefined;
    });
    const page = await open("/acme/store/registries");
    await page.getByText("Images are pulled as nobody").waitFor();
    await page.getByRole("textbox", { name: "Registry" }).first().fill("registry.example:5000");
    await page.getByRole("textbox", { name: "User name" }).fill("ci");
    await page.getByText("plim registries set registry.example:5000 --user ci").waitFor();
    await page.getByLabel("Password or token", { exact: true }).fill("s3cret-token");
    await page.getByRole("button", { name: "Save" }).first().click();
    const known = page.getByRole("table", { name: "What this namespace has" });
    await known.getByText("registry.example:5000").waitFor();
    await page.getByRole("textbox", { name: "Registry" }).last().fill("docker.io");
    await page.getByRole("textbox", { name: "Mirrors" }).fill("a.example, b.example/hub");
    await page.getByRole("button", { name: "Save" }).last().click();
    await known.getByText("b.example/hub").waitFor();
    expect(await page.content()).not.toContain("s3cret-token");
  });

  it("tries a quota out before it is saved", async () => {
    shopWorld(portal.api);
    portal.api.on("PATCH", "/namespaces/acme/store/quota", (_match, { quota }: { quota: { memoryBytes: number } }) => {
      return quota.memoryBytes > 4 * 1024 ** 3
        ? refusal(403, "quota_exceeded", "Team acme has 2 GiB not given to any namespace.")
        : { ok: true };
    });
    const page = await open("/acme/quota?namespace=store&memory=3GiB");
    const memory = page.getByRole("textbox", { name: "memory", exact: true });
    await expect.poll(() => memory.inputValue()).toBe("3GiB");
    const save = page.getByRole("button", { name: "Save quota" });
    await expect.poll(() => save.isEnabled()).toBe(true);
    await memory.fill("9 GiB");
    await page.getByRole("alert").getByText("Team acme has 2 GiB not given").waitFor();
    expect(await save.isDisabled()).toBe(true);
    expect(portal.api.requests.filter((line) => line.includes("dryRun=true")).length).toBeGreaterThan(0);
  });

  it("changes what one build may take, and says why not", async () => {
    shopWorld(portal.api);
    const asked: { build: Record<string, number> }[] = [];
    portal.api.on("PATCH", "/namespaces/acme/store", (_match, body: { build: Record<string, number> }) => {
      asked.push(body);
      return (body.build.memoryBytes ?? 0) > 4 * 1024 ** 3
        ? refusal(403, "quota_exceeded", "A build of this namespace can have 4 GiB of memory at most.")
        : { ok: true };
    });
    const page = await open("/acme/quota?namespace=store");
    const limits = page.getByRole("region", { name: "What one build of store may take" });
    const save = limits.getByRole("button", { name: "Save limits" });
    const disk = limits.getByRole("textbox", { name: "One build: disk" });
    await expect.poll(() => disk.inputValue()).toBe("8GiB");
    expect(await save.isDisabled()).toBe(true);
    await disk.fill("much");
    await limits.getByText("Such as 8GiB").waitFor();
    await disk.fill("16 GiB");
    await limits.getByRole("textbox", { name: "One build: time" }).fill("1h");
    await limits.getByText("plim limits set acme/store disk=16GiB time=60m").waitFor();
    await save.click();
    await expect.poll(() => asked.at(-1)?.build).toMatchObject({ diskBytes: 16 * 1024 ** 3, timeoutMs: 3_600_000 });
    await limits.getByRole("textbox", { name: "One build: memory" }).fill("9GiB");
    await save.click();
    await limits.getByRole("alert").getByText("4 GiB of memory at most").waitFor();
  });

  it("adds an SSH key and shows a token once", async () => {
    emptyWorld(portal.api);
    portal.api.on("POST", "/ssh-keys", (_match, body: { name: string }) => {
      portal.api.sshKeys.push({ id: "k1", name: body.name, fingerprint: "SHA256:abc", createdAt: new Date().toISOString() });
      return [201, portal.api.sshKeys[0] ?? {}];
    });
    portal.api.on("POST", "/tokens", () => [201, { id: "t1", name: "laptop", createdAt: new Date().toISOString(), secret: "plim_once" }]);
    const page = await open("/account");
    await page.getByRole("textbox", { name: "Public key" }).fill("-----BEGIN OPENSSH PRIVATE KEY-----");
    await page.getByText("This is a private key").waitFor();
    await page.getByRole("textbox", { name: "Public key" }).fill("ssh-ed25519 AAAAC3Nz ana@laptop");
    await page.getByRole("button", { name: "Add SSH key" }).click();
    await page.getByRole("table", { name: "SSH keys" }).getByText("ana@laptop").waitFor();
    await page.getByRole("textbox", { name: "Name" }).last().fill("laptop");
    await page.getByRole("button", { name: "Create token" }).click();
    await page.getByText("--token plim_once").waitFor();
  });
});

describe("state by watch", () => {
  it("holds one connection for two tabs and asks nothing while nothing happens", async () => {
    shopWorld(portal.api);
    const page = await open("/acme/store");
    const second = await page.context().newPage();
    await second.goto(`${portal.origin}/acme/store/apps/shop`);
    await second.getByRole("table", { name: "Instances" }).waitFor();
    await expect.poll(() => portal.api.watchers.size, { timeout: 5_000 }).toBe(1);
    const before = portal.api.requests.length;
    await page.waitForTimeout(1_500);
    expect(portal.api.requests.length).toBe(before);
    await second.close();
  });

  it("works without shared workers", async () => {
    const shop = shopWorld(portal.api);
    const page = await open("/login");
    await page.context().addInitScript(() => {
      Reflect.deleteProperty(globalThis, "SharedWorker");
    });
    await page.goto("/acme/store");
    await page.getByRole("link", { name: "shop", exact: true }).waitFor();
    await expect.poll(() => portal.api.watchers.size, { timeout: 5_000 }).toBe(1);
    portal.api.change(shop.app, { phase: "degraded", message: "1 of 2 is not ready" });
    await page.getByText("1 of 2 is not ready").waitFor();
  });

  it("says quietly that it reconnects, and catches up", async () => {
    const shop = shopWorld(portal.api);
    const page = await open("/acme/store");
    await page.getByRole("link", { name: "shop", exact: true }).waitFor();
    await expect.poll(() => portal.api.watchers.size, { timeout: 5_000 }).toBe(1);
    portal.api.down = true;
    portal.api.cut();
    await page.getByRole("status").getByText("Reconnecting…").waitFor();
    await page.getByRole("link", { name: "shop", exact: true }).waitFor();
    portal.api.change(shop.app, { phase: "failing", message: "it happened meanwhile" });
    portal.api.down = false;
    await page.getByText("it happened meanwhile").waitFor();
    await expect.poll(() => page.getByText("Reconnecting…").count()).toBe(0);
  });

  it("leads to the login and back when the session ends", async () => {
    shopWorld(portal.api);
    const page = await open("/acme/store/apps/shop");
    await page.getByRole("heading", { level: 1, name: /shop/ }).waitFor();
    const me = portal.api.me;
    portal.api.me = undefined;
    portal.api.cut();
    await page.waitForURL("**/login?next=%2Facme%2Fstore%2Fapps%2Fshop");
    portal.api.on("POST", "/login", (_match, body: { password: string }) => {
      if (body.password !== "right") return refusal(401, "unauthenticated", "Email or password is wrong.");
      portal.api.me = me;
      return me;
    });
    await page.getByRole("textbox", { name: "Email" }).fill("ana@acme.example");
    await page.getByLabel("Password", { exact: true }).fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("Email or password is wrong.").waitFor();
    await page.getByLabel("Password", { exact: true }).fill("right");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/acme/store/apps/shop");
    await page.getByRole("table", { name: "Instances" }).waitFor();
  });
});

describe("hosts", () => {
  function world() {
    emptyWorld(portal.api);
    portal.api.me = { ...ANA, operator: true };
    const open = portal.api.put(host("host-a"));
    const silent = { message: "It has not been heard of for more than a minute.", phase: "unreachable" } as const;
    portal.api.put(host("host-b", { roles: ["ingress"], schedulable: false }, { ...silent, facts: { pressure: "not measured" } }));
    const { pressure: _, ...gone } = hostLoad("host-b", { ...IDLE, heardAt: ago(5 * MINUTE) });
    portal.api.loads = [hostLoad("host-a"), gone];
    return open;
  }

  it("shows operators how each is and what it has, and follows what changes", async () => {
    const first = world();
    const page = await open("/acme/store");
    await page.getByRole("button", { name: "Account menu" }).click();
    await page.getByRole("menuitem", { name: "Hosts", exact: true }).click();
    const list = page.getByRole("table", { name: "Hosts of the platform" });
    await list
      .getByRole("row", { name: /host-a build run ready 2\.5 of 4.* 6 of 16 GiB 5 instances 1 build cpu 12 %, memory 0 %, disk 3 %/ })
      .waitFor();
    await list.getByRole("row", { name: /host-b ingress unreachable since 5 min.* and closed .*0 instances not measured/ }).waitFor();
    portal.api.change(first, { phase: "unreachable", message: "It is not heard of." });
    await list.getByRole("row", { name: /host-a build run unreachable/ }).waitFor();
    portal.api.remove(first);
    await expect.poll(() => list.getByRole("row").count()).toBe(2);
  });

  it("closes, opens and removes one after a confirmation, and refuses in the API's words", async () => {
    let now = world();
    portal.api.on("GET", "/hosts/host-a/load", () => ({ ...portal.api.loads[0], history: [{ at: ago(MINUTE), action: "hosts.enroll" }] }));
    portal.api.on("PATCH", "/hosts/host-a", (_match, { schedulable }: { schedulable: boolean }) => {
      now = portal.api.change(now, {}, { schedulable });
      return now;
    });
    portal.api.on("DELETE", "/hosts/host-a", () => {
      if (portal.api.requests.findLast((one) => one.startsWith("DELETE"))?.endsWith("?force=true")) {
        portal.api.remove(now);
        return undefined;
      }
      const why = portal.api.loads[0]?.instances
        ? "Host host-a still has 5 instances"
        : "Host host-a alone has the image of what is live of acme/store/shop";
      return refusal(409, "conflict", why);
    });
    const page = await open("/hosts/host/host-a");
    await page
      .getByRole("table", { name: "What runs here" })
      .getByRole("row", { name: /globex\/web 2 0/ })
      .waitFor();
    await page
      .getByRole("table", { name: "What was done" })
      .getByRole("row", { name: /enrolled the host itself/ })
      .waitFor();
    const dialog = page.getByRole("dialog");
    for (const [verb, state] of [
      ["Close", /host-a closed/],
      ["Open", /host-a ready/],
    ] as const) {
      await page.getByRole("button", { name: verb, exact: true }).click();
      await dialog.getByText(`plim hosts ${verb.toLowerCase()} host-a`).waitFor();
      await dialog.getByRole("button", { name: verb, exact: true }).click();
      await page.getByRole("heading", { level: 1, name: state }).waitFor();
    }
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await dialog.getByText("still has 5 instances").waitFor();
    expect(await dialog.getByRole("checkbox").count()).toBe(0);
    portal.api.loads = [hostLoad("host-a", IDLE)];
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await dialog.getByText("alone has the image").waitFor();
    await dialog.getByRole("checkbox", { name: /although images are lost/ }).check();
    await dialog.getByText("plim hosts remove host-a --force").waitFor();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await page.waitForURL("**/hosts");
    expect(portal.api.requests.filter((one) => one.startsWith("DELETE"))).toEqual([
      "DELETE /hosts/host-a",
      "DELETE /hosts/host-a",
      "DELETE /hosts/host-a?force=true",
    ]);
  });

  it("makes the command for a new one, once, with the roles that were chosen", async () => {
    world();
    portal.api.on("POST", "/host-tokens", (_match, body) => {
      expect(body).toEqual({ roles: ["run", "ingress"], name: "host-c" });
      return [201, { token: "plm_once", command: `PLIMSOLL_TOKEN=plm_once${"x".repeat(300)} npm run join` }];
    });
    const page = await open("/hosts", { viewport: { width: 390, height: 844 } });
    await page.getByRole("checkbox", { name: /^build/ }).uncheck();
    await page.getByRole("checkbox", { name: /^ingress/ }).check();
    await page.getByRole("textbox", { name: "Only for this name" }).fill("host-c");
    await page.getByText("plim hosts add --role run --role ingress --name host-c").waitFor();
    await page.getByRole("button", { name: "Make the command" }).click();
    await page.getByRole("figure", { name: "Command for the new host" }).getByText("PLIMSOLL_TOKEN=plm_once").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
    await page.reload();
    await page.getByRole("row", { name: /host-a/ }).waitFor();
    expect(await page.content()).not.toContain("plm_once");
  });

  it("are not there for anybody else", async () => {
    world();
    portal.api.me = ANA;
    const page = await open("/acme/store");
    await page.getByRole("button", { name: "Account menu" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
    expect(await page.getByRole("menuitem", { name: /osts/ }).count()).toBe(0);
    for (const path of ["/hosts", "/hosts/host/host-a", "/hosts/disk"]) {
      await page.goto(path);
      await page.getByRole("heading", { name: "There is no such page" }).waitFor();
    }
    expect(portal.api.requests.filter((one) => one.includes("host"))).toEqual([]);
  });

  it("marks builds that make an image and no release", async () => {
    emptyWorld(portal.api);
    portal.api.put(app("shop"));
    const made = build("shop", 9, { phase: "succeeded" });
    portal.api.put({ ...made, spec: { ...made.spec, deploy: false } });
    const page = await open("/acme/store/apps/shop/deployments");
    await page.getByRole("row", { name: /Build 9.*image only/ }).waitFor();
    await page.getByRole("link", { name: "Build 9" }).click();
    await page.getByText("none, image only").waitFor();
  });
});

describe("the frame", () => {
  it("goes nowhere else after the login, whatever the address asks", async () => {
    portal.api.on("POST", "/login", () => {
      emptyWorld(portal.api);
      return ANA;
    });
    const page = await open("/login?next=//evil.example/x");
    await page.getByRole("textbox", { name: "Email" }).fill("ana@acme.example");
    await page.getByLabel("Password", { exact: true }).fill("right");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${portal.origin}/acme/store`);
  });

  it("runs no script that came in as markup", async () => {
    const injected = async () => {
      document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="globalThis.injected = true">');
      await new Promise((done) => setTimeout(done, 200));
      return Reflect.get(globalThis, "injected") === true;
    };
    emptyWorld(portal.api);
    const page = await open("/acme/store");
    expect(await page.evaluate(injected)).toBe(false);
    // Control: without the policy it would run.
    const unprotected = await open("/acme/store", { bypassCSP: true });
    expect(await unprotected.evaluate(injected)).toBe(true);
    portal.forgetComplaints(); // the refusal itself is noted there
  });

  it("remembers the appearance and draws it at once", async () => {
    emptyWorld(portal.api);
    const page = await open("/acme/store", { colorScheme: "light" });
    const scheme = () => page.evaluate(() => document.documentElement.dataset.mantineColorScheme);
    expect(await scheme()).toBe("light");
    await page.getByRole("button", { name: "Appearance" }).click();
    await page.getByRole("menuitem", { name: "Dark" }).click();
    await expect.poll(scheme).toBe("dark");
    // Without the portal's scripts: what is drawn before they come.
    await page.route("**/_next/static/**/*.js", (route) => route.abort());
    await page.goto("/acme/store", { waitUntil: "commit" });
    await expect.poll(scheme).toBe("dark");
    await page.unroute("**/_next/static/**/*.js");
    portal.forgetComplaints();
  });

  it("does not move under the reader while it loads", async () => {
    shopWorld(portal.api);
    const page = await open("/login");
    await page.context().addInitScript(() => {
      Reflect.set(globalThis, "moved", 0);
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
          Reflect.set(globalThis, "moved", Reflect.get(globalThis, "moved") + Reflect.get(entry, "value"));
      }).observe({ type: "layout-shift", buffered: true });
    });
    for (const path of ["/acme/store", "/acme/store/apps/shop", "/acme/store/apps/shop/deployments/shop-d23"]) {
      await page.goto(path);
      await page.waitForTimeout(700);
      expect(await page.evaluate(() => Reflect.get(globalThis, "moved")), path).toBeLessThan(0.1);
    }
  });

  it.each([1280, 390])("fits a window of %i px, with nothing and with much", async (width) => {
    const wide = async (paths: readonly string[]) => {
      const page = await open("/login", { viewport: { width, height: 844 } });
      for (const path of paths) {
        await page.goto(path);
        await page.waitForTimeout(400);
        expect(
          await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
          path,
        ).toBeLessThanOrEqual(0);
      }
    };
    emptyWorld(portal.api);
    await wide(["/acme/store", "/acme/quota", "/account", "/nowhere/at/all"]);
    await portal.api.close();
    await portal.newApi();
    bigWorld(portal.api);
    await wide([
      "/acme/store",
      "/acme/quota?namespace=store",
      "/acme/store/apps/shop",
      "/acme/store/apps/shop/deployments",
      "/acme/store/apps/shop/settings",
      "/acme/store/apps/shop/deployments/shop-d23",
      "/acme/store/apps/shop/builds/shop-b207",
      "/acme/store/apps/customer-notification-dispatcher-eu-w0a",
    ]);
  });

  it("says what is not there, and finds an app by a few letters", async () => {
    bigWorld(portal.api);
    const page = await open("/acme/store/apps/nope");
    await page.getByRole("heading", { name: "There is no app nope in acme/store" }).waitFor();
    await page.keyboard.press("Control+k");
    await page.getByRole("textbox", { name: "Go to an app or namespace" }).fill("w0a");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/apps/customer-notification-dispatcher-eu-w0a");
  });
});
