import { expect, it } from "vitest";
import type { Endpoint } from "./desired.ts";
import { parseProcesses, sendCommands } from "./runtime.ts";
import { eachOnIngressHost } from "./testing/ingress-host.ts";

const host = eachOnIngressHost();
const ROUNDS = 4;

it("has no new connection answered by a replaced worker once a change is applied", async () => {
  const one = await host.instance("one");
  const slow = await host.instance("slow", (_, response) => response.write("begun"));
  const backend = (id: string) => ({ id, state: "ready" as const, endpoints: [one] });
  const begun = { id: "b1", state: "ready" as const, endpoints: [slow] };
  const names = Array.from({ length: ROUNDS }, (_, round) => `n${round}`);
  await host.ingress.apply(host.wish([slow]));
  const workersOf = async () => parseProcesses((await sendCommands(host.at("master.sock"), ["show proc"]))[0] ?? "").workers;
  const replaced = new Set<number>();
  for (const [round, name] of names.entries()) {
    // A download that goes on keeps the worker alive that is about to be replaced.
    await new Promise<void>((resolve) => void host.get("a.localhost", "/", { onData: resolve }).catch(() => undefined));
    for (const pid of await workersOf()) replaced.add(pid);
    const known = names.slice(0, round + 1);
    // Another backend is another structure: a reload.
    await host.ingress.apply(
      host.wish([], {
        routes: [{ host: "a.localhost", backendId: "b1" }, ...known.map((one) => ({ host: `${one}.localhost`, backendId: one }))],
        backends: [begun, ...known.map(backend)],
      }),
    );
    const told = await Promise.all([...replaced].map((pid) => sendCommands(host.at("master.sock"), [`@!${pid} show info`])));
    expect(told.map(([info]) => /^Stopping: (\d)$/m.exec(info ?? "")?.[1])).toEqual(told.map(() => "1"));
    expect((await host.get(`${name}.localhost`)).body).toBe("one");
  }
  expect(replaced.size).toBe(ROUNDS);
});

it("holds up no further change while a replaced worker could still bring a request to what was taken out, and tells when it cannot", async () => {
  const [one, two] = [await host.instance("one"), await host.instance("two")];
  let finish: (() => void) | undefined;
  const slow = await host.instance("slow", (_, response) => {
    response.write("begun");
    finish = () => response.end();
  });
  const app = (endpoints: readonly Endpoint[]) => ({ id: "a1", state: "ready" as const, endpoints });
  const wish = (endpoints: readonly Endpoint[], ...more: readonly string[]) =>
    host.wish([], {
      routes: ["a", "slow", ...more].map((name) => ({ host: `${name}.localhost`, backendId: name === "a" ? "a1" : "b1" })),
      backends: [app(endpoints), { id: "b1", state: "ready" as const, endpoints: [slow] }],
    });
  await host.ingress.apply(host.wish([], { routes: wish([]).routes, backends: [{ id: "b1", state: "ready", endpoints: [slow] }] }));
  // A download that keeps the worker alive which the next change replaces: it has no backend a1 yet.
  const download = Promise.withResolvers<void>();
  const ended = host.get("slow.localhost", "/", { onData: () => download.resolve() });
  await download.promise;
  await host.ingress.apply(wish([one, two]));
  const beginMs = performance.now();
  const states: string[] = [];
  const watch = ({ quiet }: { readonly quiet: Promise<void> }, name: string) => void quiet.then(() => states.push(name));
  watch(await host.ingress.change(wish([one])), "withdrawn");
  // What comes after says that all before it is done, so it is not quiet either; and a route is not kept waiting.
  watch(await host.ingress.change(wish([one], "more")), "after");
  expect((await host.get("a.localhost")).body).toBe("one");
  expect(performance.now() - beginMs).toBeLessThan(5_000);
  expect(states).toEqual([]);
  finish?.();
  await ended;
  await expect.poll(() => states, { timeout: 5_000 }).toEqual(["withdrawn", "after"]);
});
