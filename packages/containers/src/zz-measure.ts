import { InstanceRuntime } from "./instance-runtime.ts";
import { testRig } from "./test-rig.ts";

const rig = await testRig();
const runtime = await InstanceRuntime.open(rig);
const N = 15;
const create: number[] = [],
  start: number[] = [],
  first: number[] = [],
  rm: number[] = [],
  netns: number[] = [];
for (let i = 0; i < N; i++) {
  const n0 = performance.now();
  const def = await rig.instance(`m${i}`, "echo hi; sleep 100", {
    limits: { cpuMillis: Number(process.env.CPU ?? 500), memoryBytes: 64 << 20, pids: 50 },
  });
  netns.push(performance.now() - n0);
  const t0 = performance.now();
  await runtime.create(def);
  const t1 = performance.now();
  await runtime.start(def.id);
  const t2 = performance.now();
  while (runtime.tailLog("ns", def.id, 1).length === 0) await new Promise((r) => setTimeout(r, 0.5));
  const t3 = performance.now();
  create.push(t1 - t0);
  start.push(t2 - t1);
  first.push(t3 - t0);
}
const run: number[] = [];
for (let i = 0; i < N; i++) {
  const def = await rig.instance(`r${i}`, "echo hi; sleep 100", {
    limits: { cpuMillis: Number(process.env.CPU ?? 500), memoryBytes: 64 << 20, pids: 50 },
  });
  const t0 = performance.now();
  await runtime.run(def);
  while (runtime.tailLog("ns", def.id, 1).length === 0) await new Promise((r) => setTimeout(r, 0.5));
  run.push(performance.now() - t0);
}
for (const { id } of runtime.list()) {
  const t = performance.now();
  await runtime.remove(id);
  rm.push(performance.now() - t);
}
const p = (a: number[]) => {
  const s = [...a].sort((x, y) => x - y);
  return `p50 ${s[Math.floor(s.length / 2)]!.toFixed(1)} max ${s.at(-1)!.toFixed(1)}`;
};
console.log(
  "netns",
  p(netns),
  "| create",
  p(create),
  "| start",
  p(start),
  "| create+start first byte",
  p(first),
  "| run first byte",
  p(run),
  "| remove",
  p(rm),
);
await runtime.close();
await rig.dispose();
