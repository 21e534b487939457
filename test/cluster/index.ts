export { datagram, forgedVxlan, listenIn, reach } from "./reach.ts";
export { createTestHosts, inside, runIn, startIn, type TestHost, type TestHosts, type TestHostsOptions } from "./test-hosts.ts";
export { createWiredHosts, type WiredHost, type WiredHosts, wanted } from "./wire.ts";
