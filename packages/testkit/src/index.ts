export { type Load, type LoadFailure, type LoadOptions, type LoadReport, startLoad } from "./load-meter.ts";
export { createTestDatabase, startTestPostgres, TEST_POSTGRES_VARIABLE, type TestDatabase, type TestPostgres } from "./postgres.ts";
export { startTestRedis, TEST_REDIS_VARIABLE, type TestRedis, testRedisUrl } from "./redis.ts";
export { type BlobDescriptor, startTestRegistry, type TestRegistry, type TestRegistryOptions } from "./registry.ts";
