export * from "./agent.ts";
export * from "./api.ts";
export { type ControlJobName, JOBS, type JobName, type Wake } from "./jobs.ts";
export { Problem, statusOf } from "./problem.ts";
export { openBox, sealBox } from "./sealed-box.ts";
