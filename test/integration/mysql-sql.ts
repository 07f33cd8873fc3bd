// What the tests of MySQL do beside the drivers.
import mysql from "mysql2/promise";

type Row = Readonly<Record<string, unknown>>;

/** Runs statements as the owner of the server, on one connection; gives the rows of the last one. */
export async function runSql(port: number, ...statements: readonly string[]): Promise<readonly Row[]> {
  const connection = await mysql.createConnection({
    host: "127.0.0.1",
    port,
    user: "mecha",
    password: "secret",
    dateStrings: true,
    jsonStrings: true,
  });
  try {
    let rows: unknown = [];
    for (const statement of statements) [rows] = await connection.query(statement);
    return Array.isArray(rows) ? (rows as Row[]) : [];
  } finally {
    await connection.end();
  }
}
