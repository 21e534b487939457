export { listenIn, reach } from "./reach.ts";
export { createTestHosts, inside, runIn, type TestHosts } from "./test-hosts.ts";
export { createWiredHosts, type WiredHosts, wanted } from "./wire.ts";
