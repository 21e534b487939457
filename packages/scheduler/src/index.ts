export { type InstanceRequest, type Placement, place } from "./place.ts";
export { type BuildPlacement, type BuildRequest, buildSlots, placeBuild } from "./place-build.ts";
export { explainPressure, longestHoldMs } from "./pressure.ts";
export { explainRefusals, type Filter, type HostView, type Refusals, type Resources } from "./snapshot.ts";
