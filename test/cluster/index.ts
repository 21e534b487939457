export { createTestHosts, inside, runIn, startIn, type TestHost, type TestHosts, type TestHostsOptions } from "./test-hosts.ts";
