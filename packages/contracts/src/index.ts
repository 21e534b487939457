export * from "./agent.ts";
export * from "./api.ts";
export { type ApiClient, type ApiClientOptions, createApiClient } from "./client.ts";
export type { ApiRoutes } from "./generated/routes.ts";
export { type ControlJobName, JOBS, type JobName, type Wake } from "./jobs.ts";
export { OBJECT_LISTS, OBJECTS, type ObjectPage } from "./objects.ts";
export { Problem, statusOf } from "./problem.ts";
export { openBox, sealBox } from "./sealed-box.ts";
