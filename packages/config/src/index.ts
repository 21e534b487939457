export { type Clock, systemClock } from "./clock.ts";
export { createLogger, type Facts, type Logger } from "./logger.ts";
export { RETENTION } from "./retention.ts";
