import type { Resource } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { ago, app, build, deployment, instance, MINUTE, release } from "../../../test/fixtures.ts";
import { appRows } from "../dashboard/app-rows.ts";
import { placeOf } from "../events/place-of.ts";
import { rolloutSteps } from "./rollout.ts";
import { activeBuild, activeDeployment, deploymentOf, timeline } from "./timeline.ts";

describe("an app's history", () => {
  const failed = build("shop", 1, { phase: "failed" }, "broken", ago(30 * MINUTE));
  const good = build("shop", 2, { release: 1 }, "works", ago(20 * MINUTE));
  const first = release("shop", 1, good, ["image"], ago(19 * MINUTE));
  const live = deployment("shop", 1, 1, {}, {}, ago(19 * MINUTE));
  const running = build("shop", 3, { phase: "running" }, "new", ago(MINUTE));

  it("is newest first: deployments with their builds, and builds that released nothing", () => {
    const entries = timeline([failed, good, running], [first], [live]);
    expect(
      entries.map((entry) =>
        entry.kind === "deployment"
          ? `v${entry.deployment.spec.release} of build ${entry.build?.spec.number}`
          : `build ${entry.build.spec.number}`,
      ),
    ).toEqual(["build 3", "v1 of build 2", "build 1"]);
  });

  it("knows what is under way", () => {
    expect(activeBuild([failed, good, running])?.spec.number).toBe(3);
    expect(activeBuild([failed, good])).toBeUndefined();
    expect(activeDeployment([live, deployment("shop", 2, 2, { phase: "draining" })])?.spec.number).toBe(2);
  });

  it("finds a build's own rollout, not a later rollback to the same release", () => {
    const rollback = deployment("shop", 5, 1, {}, { reason: "rollback" });
    expect(deploymentOf(good, [rollback, live])?.spec.number).toBe(1);
    expect(deploymentOf(running, [rollback, live])).toBeUndefined();
  });

  it("makes the dashboard's row", () => {
    const [row] = appRows([app("shop", { release: 1 })], [live], [failed, good, running]);
    expect(row).toMatchObject({ name: "shop", release: 1, underWay: { kind: "build" }, liveSince: live.status.readyAt });
  });
});

describe("rollout steps", () => {
  const names = (object: Resource<"Deployment">, instances: readonly Resource<"Instance">[]) =>
    rolloutSteps(object, instances).map((step) =>
      step.kind === "drain"
        ? `drain ${step.state} ${step.left}`
        : `${step.instance.spec.process}-${step.instance.spec.ordinal} ${step.state}`,
    );
  const old = [instance("shop", "web", 1, 13), instance("shop", "web", 2, 13)];

  it("are the new instances, web first, then the end of the old ones", () => {
    const fresh = [
      instance("shop", "worker", 1, 14, { phase: "preparing" }),
      instance("shop", "web", 2, 14, { phase: "starting" }),
      instance("shop", "web", 1, 14),
    ];
    expect(names(deployment("shop", 9, 14, { phase: "starting" }), [...old, ...fresh])).toEqual([
      "web-1 done",
      "web-2 running",
      "worker-1 running",
      "drain waiting 2",
    ]);
    expect(names(deployment("shop", 9, 14, { phase: "draining" }), [...old.slice(1), ...fresh]).at(-1)).toBe("drain running 1");
  });

  it("do not speak of draining when the release before stays", () => {
    const crashing = instance("shop", "web", 1, 14, { phase: "backoff" });
    expect(names(deployment("shop", 9, 14, { phase: "failed" }), [...old, crashing])).toEqual(["web-1 failed"]);
  });
});

describe("where an event leads", () => {
  const apps = ["shop", "shop-admin"];
  it.each([
    ["Deployment", "shop-admin-d4", "/acme/store/apps/shop-admin/deployments/shop-admin-d4"],
    ["Build", "shop-b4", "/acme/store/apps/shop/builds/shop-b4"],
    ["Instance", "shop-web-4-ab", "/acme/store/apps/shop/instances/shop-web-4-ab"],
    ["App", "shop", "/acme/store/apps/shop"],
    ["App", "elsewhere", undefined],
  ] as const)("%s %s", (kind, name, href) => expect(placeOf({ kind, name }, "acme", "store", apps)).toBe(href));
});
