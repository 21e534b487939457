export { type Backoff, backoffMs } from "./backoff.ts";
export { type Controller, type ControllerOptions, createController } from "./controller.ts";
export type { ControllerMetrics } from "./metrics.ts";
export {
  DONE,
  type Done,
  type Fence,
  type Lease,
  type LeaseStore,
  type ReconcileContext,
  type Reconciler,
  type RequeueAfter,
  requeueAfter,
} from "./reconciler.ts";
