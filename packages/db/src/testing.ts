import pg from "pg";

/** Runs SQL on a test's database, past the repositories: to look behind them, or to make time pass for leases. */
export async function sql(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
