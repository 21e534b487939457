import { expect, it } from "vitest";
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
