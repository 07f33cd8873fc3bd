// What the tests of PostgreSQL do beside the drivers.
import pg from "pg";

/** Runs a statement as the owner of the server; gives its rows. */
export async function runSql(
  port: number,
  sql: string,
  values: readonly unknown[] = [],
  database = "postgres",
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", database });
  await client.connect();
  try {
    return (await client.query(sql, values.length > 0 ? [...values] : undefined)).rows;
  } finally {
    await client.end();
  }
}

/** Settles when the condition is met; rejects after `withinMs`. */
export async function until(isMet: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await isMet())) {
    if (Date.now() > end) throw new Error(`not met within ${withinMs} ms: ${isMet}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}
