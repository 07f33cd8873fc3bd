import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import bindingDriver from "../../components/postgresql/bindings.ts";
import { authority, client, server as serverPair } from "../support/certificates.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { runSql } from "./postgresql-sql.ts";

const isMissing = !(await requireService("postgres"));

/** A server that offers TLS, and takes nothing else from the user `safe`. */
async function tlsServer() {
  const { port } = await startServer("postgres", { own: true });
  const sql = (text: string, values?: readonly unknown[]) => runSql(port, text, values);
  const [{ hba_file }] = (await sql("SHOW hba_file")) as [{ hba_file: string }];
  // What the server writes is its own, as it asks of a key.
  const write = (file: string, lines: string) =>
    sql(`COPY (SELECT unnest(string_to_array('${lines}', E'\\n'))) TO '${dirname(hba_file)}/${file}'`);
  await write("server.crt", serverPair.certificate);
  await write("server.key", serverPair.key);
  chmodSync(`${dirname(hba_file)}/server.key`, 0o600);
  await write(
    "pg_hba.conf",
    "hostssl all safe 127.0.0.1/32 trust\nhostnossl all safe 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust",
  );
  await sql("CREATE ROLE safe LOGIN");
  await sql("ALTER SYSTEM SET ssl = on");
  await sql("SELECT pg_reload_conf()");
  await expect.poll(async () => (await sql("SHOW ssl"))[0]?.["ssl"]).toBe("on");
  /** Whether the connection that these settings open is encrypted. */
  const isEncrypted = async (text: string, more = {}) => {
    const connectionString = `postgres://safe@127.0.0.1:${port}/postgres${text}`;
    const opened = await openDriver(bindingDriver, { connectionString, ...more });
    const metadata = { sql: "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()" };
    const answer = await opened.invoke?.({ operation: "query", data: Buffer.alloc(0), metadata }, {});
    return JSON.parse(Buffer.from(answer?.data ?? []).toString())[0][0];
  };
  return { isEncrypted };
}

describe.skipIf(isMissing)("PostgreSQL over TLS", () => {
  test("is spoken to as sslmode and sslRootCert say, and its certificate is checked where they ask for it", async () => {
    const { isEncrypted } = await tlsServer();
    for (const mode of ["", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require"]) {
      expect([mode, await isEncrypted(mode)]).toEqual([mode, true]);
    }
    await expect(isEncrypted("?sslmode=disable")).rejects.toThrow(/does not let user safe in: .*; correct the user/);

    const file = `${tempFolder({ "ca.pem": authority.certificate })}/ca.pem`;
    expect(await isEncrypted("?sslmode=verify-full", { sslRootCert: file })).toBe(true);
    expect(await isEncrypted("", { sslRootCert: authority.certificate })).toBe(true);
    // The name is not in the certificate, which only verify-full minds.
    const named = { host: "localhost", hostaddr: "127.0.0.1", sslRootCert: authority.certificate };
    expect(await isEncrypted("?sslmode=verify-ca", named)).toBe(true);
    await expect(isEncrypted("?sslmode=verify-full", named)).rejects.toThrow(/is not accepted: .*localhost/);

    const stranger = { sslRootCert: client.certificate };
    await expect(isEncrypted("?sslmode=verify-full", stranger)).rejects.toThrow(
      /the certificate of 127\.0\.0\.1:\d+ is not accepted: .*; name its authority as sslRootCert/,
    );
    await expect(isEncrypted("", { sslRootCert: "/nowhere/ca.pem" })).rejects.toThrow(
      "sslRootCert: the file cannot be read",
    );
  });
});
