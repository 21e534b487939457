export { type Controllers, type ControllersOptions, createControllers } from "./create-controllers.ts";
export type { ControllerPorts, ControllerSettings, PushEnd } from "./ports.ts";
export { createRelay, type Relay, type RelayOptions } from "./relay.ts";
