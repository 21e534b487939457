import { startTestPostgres, startTestRedis, TEST_POSTGRES_VARIABLE, TEST_REDIS_VARIABLE } from "@plimsoll/testkit";

/** One PostgreSQL and one Redis for a whole run; each test file makes its own database, each test its own key prefix. */
export default async function setup(): Promise<() => Promise<void>> {
  const [postgres, redis] = await Promise.all([startTestPostgres({ migrationsDir: "prisma/migrations" }), startTestRedis()]);
  process.env[TEST_POSTGRES_VARIABLE] = postgres.url("postgres");
  process.env[TEST_REDIS_VARIABLE] = redis.url;
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
  };
}
