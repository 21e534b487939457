export type { QueuedWake } from "./catalog.ts";
export type { Consumer, WakeHandler } from "./consumer.ts";
export type { HostUser } from "./host-users.ts";
export { openQueue, type Queue, type QueueSettings } from "./queue.ts";
