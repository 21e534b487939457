import type { Me } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import type { FakeApi } from "./fake-api.ts";
import {
  ago,
  app,
  BUILD_END,
  BUILD_EVENTS,
  build,
  deployment,
  event,
  FAILED_END,
  GIB,
  HOUR,
  instance,
  MIB,
  MINUTE,
  namespace,
  release,
  team,
  WEB,
} from "./fixtures.ts";

export const ANA: Me = {
  id: "usr_ana",
  name: "Ana",
  email: "ana@acme.example",
  operator: false,
  teams: [{ name: "acme", displayName: "Acme", role: "owner", namespaces: ["store"] }],
};

const QUOTA = { cpuMillis: 2_000, memoryBytes: 2 * GIB, instances: 20, builds: 2 };

/** A namespace without any app. */
export function emptyWorld(api: FakeApi): void {
  api.me = ANA;
  api.put(team({ cpuMillis: 8_000, memoryBytes: 8 * GIB, instances: 60, builds: 4 }, QUOTA));
  api.put(namespace("store", QUOTA, { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 0 }));
}

export interface Shop {
  readonly app: Resource<"App">;
  readonly deployments: readonly Resource<"Deployment">[];
  readonly instances: readonly Resource<"Instance">[];
  readonly failedBuild: Resource<"Build">;
  readonly runningBuild: Resource<"Build">;
}

/** A namespace with four apps in four states; `shop` has a history of deployments and of everything else. */
export function shopWorld(api: FakeApi): Shop {
  api.me = { ...ANA, teams: [{ name: "acme", displayName: "Acme", role: "owner", namespaces: ["store", "staging", "analytics"] }] };
  api.put(team({ cpuMillis: 8_000, memoryBytes: 8 * GIB, instances: 60, builds: 4 }, QUOTA));
  api.put(namespace("store", QUOTA, { cpuMillis: 1_200, memoryBytes: 1.5 * GIB, instances: 9, builds: 2 }));
  api.put(
    namespace(
      "staging",
      { cpuMillis: 2_000, memoryBytes: GIB, instances: 10, builds: 1 },
      { cpuMillis: 250, memoryBytes: 256 * MIB, instances: 1, builds: 0 },
    ),
  );
  api.put(
    namespace(
      "analytics",
      { cpuMillis: 1_000, memoryBytes: 3 * GIB, instances: 8, builds: 1 },
      { cpuMillis: 900, memoryBytes: 2.9 * GIB, instances: 8, builds: 0 },
    ),
  );

  const shop = api.put(
    app(
      "shop",
      { processes: { web: { desired: 2, ready: 2 }, worker: { desired: 1, ready: 1 } } },
      {
        processes: {
          web: WEB,
          worker: {
            ...WEB,
            replicas: 1,
            cpuMillis: 200,
            memoryBytes: 128 * MIB,
            command: ["node", "worker.js", "--queue", "orders,mail,invoices"],
            readiness: { kind: "none" },
          },
        },
        env: { PRICE_TABLE: "2026-11", LOG_LEVEL: "info", PUBLIC_URL: "https://shop-store.example.app" },
        secrets: { DATABASE_URL: 3, STRIPE_KEY: 1 },
      },
    ),
  );
  const search = api.put(app("search", { phase: "deploying", release: 2, processes: { web: { desired: 2, ready: 1 } } }));
  api.put(app("report", { phase: "sleeping", release: 9, processes: { web: { desired: 0, ready: 0 } } }));
  const imports = api.put(
    app(
      "import",
      {
        phase: "failing",
        release: 2,
        urls: [],
        processes: { worker: { desired: 1, ready: 0 } },
        message: "worker-1 exits with 1, 6 times now",
      },
      { processes: { worker: { ...WEB, replicas: 1 } } },
    ),
  );

  const subjects = ["Checkout in one step", "Price table of November", "Fix rounding of shares", "Free shipping above 50"];
  const deployments: Resource<"Deployment">[] = [];
  for (const [index, subject] of subjects.entries()) {
    const number = 11 + index;
    const at = ago(index === 3 ? 12 * MINUTE : (4 - index) * 19 * HOUR);
    const made = api.put(build("shop", 208 + index, { release: number }, subject, at));
    api.put(release("shop", number, made, index === 3 ? ["image", "env PRICE_TABLE"] : ["image"], at));
    deployments.push(api.put(deployment("shop", 20 + index, number, { phase: index === 3 ? "complete" : "superseded" }, {}, at)));
    api.log(made.metadata.name, ...BUILD_EVENTS, ...BUILD_END);
  }
  deployments.push(
    api.put(
      deployment(
        "shop",
        19,
        10,
        {
          phase: "failed",
          failure: {
            instance: "web-1",
            reason: "not ready after 60 s: GET /healthz on port 8080 refused the connection",
            logTail: ["> shop@1.3.9 start", "> node server.js", "listening on 127.0.0.1:3000"],
            hint: "it listens on 127.0.0.1:3000, the probe asks port 8080 on all addresses: use process.env.PORT",
          },
        },
        {},
        ago(80 * HOUR),
      ),
    ),
  );
  const failedBuild = api.put(
    build(
      "shop",
      207,
      {
        phase: "failed",
        failure: {
          reason: "command",
          message: "RUN npm run build failed with exit code 2 after 1.6 s.",
          file: "Dockerfile",
          line: 8,
          instruction: "RUN npm run build",
          exitCode: 2,
          logTail: ["src/cart.ts(41,7): error TS2322: Type 'string' is not assignable to type 'number'."],
        },
      },
      "Cart keeps its items",
      ago(81 * HOUR),
    ),
  );
  api.log(failedBuild.metadata.name, ...BUILD_EVENTS, ...FAILED_END);
  const runningBuild = api.put(build("search", 31, { phase: "running" }, "Typo tolerance", ago(4_000)));
  const pending = { ...runningBuild, status: { ...runningBuild.status } };
  delete pending.status.finishedAt;
  api.put(pending);
  api.log(runningBuild.metadata.name, ...BUILD_EVENTS);

  const instances = [
    instance("shop", "web", 1, 14),
    instance("shop", "web", 2, 14),
    instance("shop", "worker", 1, 14, { restarts: 1, lastExit: { code: 137, outOfMemory: true, at: ago(26 * HOUR) } }),
  ].map((one) => api.put(one));
  for (const one of instances) api.log(one.metadata.name, ...runtimeLines(120));
  api.put(
    instance("import", "worker", 1, 2, {
      phase: "backoff",
      restarts: 6,
      message: "exit 1, starts again in 40 s",
      lastExit: { code: 1, outOfMemory: false, at: ago(20_000) },
    }),
  );

  const live = deployments[3];
  if (live) api.put(event(live, "Complete", "v14 live: Ana, 3.6 s, 0 of 1,204 requests failed"));
  for (const one of instances.slice(0, 2)) api.put(event(one, "Ready", "after 0.4 s on host-a"));
  api.put(
    event(imports, "CrashLoop", "worker-1 exits with 1 a second after its start; it is restarted with growing pauses", {
      type: "warning",
      count: 6,
      at: ago(20_000),
    }),
  );
  api.put(event(search, "BuildStarted", "Build 31 of 9ab03e4 “Typo tolerance” began on host-b", { at: ago(4_000) }));
  api.put(event(failedBuild, "BuildFailed", "RUN npm run build failed with exit code 2", { type: "warning", at: ago(81 * HOUR) }));
  return { app: shop, deployments, instances, failedBuild, runningBuild };
}

/** Fifty apps with long names, long histories and long logs. */
export function bigWorld(api: FakeApi): void {
  shopWorld(api);
  const phases = ["live", "live", "live", "degraded", "sleeping", "failing", "deploying", "empty"] as const;
  for (let index = 0; index < 48; index++) {
    const phase = phases[index % phases.length] ?? "live";
    const name =
      index % 5 === 0
        ? `customer-notification-dispatcher-eu-w${index % 10}${String.fromCharCode(97 + (index % 26))}`
        : `service-${String(index).padStart(2, "0")}`;
    api.put(
      app(name, {
        phase,
        ...(phase === "empty"
          ? { urls: [], processes: {} }
          : {
              processes: {
                web: { desired: 3, ready: phase === "degraded" ? 2 : 3 },
                worker: { desired: 12, ready: 12 },
                "image-resizer": { desired: 1, ready: 1 },
              },
            }),
        ...(phase === "degraded"
          ? { message: "1 of 3 instances of web is not ready: GET /healthz answers 503 since 4 minutes, the others serve" }
          : {}),
      }),
    );
    if (phase !== "empty") api.put(deployment(name, 40, 14, {}, {}, ago(index * 7 * HOUR)));
  }
  for (let number = 300; number < 380; number++) {
    const at = ago((400 - number) * HOUR + 90 * HOUR);
    const made = api.put(
      build(
        "shop",
        number - 200,
        { release: number - 296 },
        `Change number ${number}, with a subject that goes on for longer than anybody would want to read in a table`,
        at,
      ),
    );
    api.put(release("shop", number - 296, made, ["image"], at));
  }
}

/** Lines of a web server, one a second. */
export function runtimeLines(count: number, from = ago(count * 1_000)) {
  return Array.from({ length: count }, (_, index) => ({
    stream: index % 17 === 16 ? ("stderr" as const) : ("stdout" as const),
    at: new Date(Date.parse(from) + index * 1_000).toISOString(),
    text:
      index % 17 === 16
        ? `warn slow query ${index}: SELECT * FROM orders WHERE customer = $1 took 812 ms`
        : `GET /products/${1_000 + index * 7} 200 ${12 + (index % 40)} ms`,
  }));
}
