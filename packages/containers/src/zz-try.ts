import { InstanceRuntime } from "./instance-runtime.ts";
import { testRig } from "./test-rig.ts";
const rig = await testRig();
const runtime = await InstanceRuntime.open(rig);
await runtime.run(await rig.instance("t1", process.argv[2] ?? "true"));
await new Promise((r) => setTimeout(r, Number(process.argv[3] ?? 500)));
console.log(runtime.tailLog("ns", "t1", 1000).map((l) => l.text).join("\n"), runtime.list());
if (process.argv[4]) { const { run } = await import("@plimsoll/exec"); console.log((await run(["sh", "-c", process.argv[4].replaceAll("RUN", rig.layout.runDir)], { okCodes: [0, 1, 2] })).stdout); }
await runtime.collect(new Set(), new Set());
await runtime.close();
await rig.dispose();
