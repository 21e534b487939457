export { minimalEnv, type Output, type Run, type RunOptions, run } from "./run.ts";
export { type ChildProcess, type StartOptions, start } from "./start.ts";
