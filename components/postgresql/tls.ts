import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import { causeText, fail } from "../../specs/errors.ts";
import type { Address } from "./connection-string.ts";

/** How to secure a connection; false: not at all. Rejects with `openFailed` when a file cannot be read. */
export async function tlsOptions(address: Address): Promise<ConnectionOptions | false> {
  const { sslMode, host, hostaddr, sslPassword } = address;
  if (sslMode === "disable" || host?.startsWith("/")) return false;
  const [ca, cert, key] = await Promise.all([
    pem("sslRootCert", address.sslRootCert),
    pem("sslcert", address.sslCert),
    pem("sslkey", address.sslKey),
  ]);
  const options: ConnectionOptions = {
    rejectUnauthorized: sslMode === "verify-ca" || sslMode === "verify-full",
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(sslPassword === undefined ? {} : { passphrase: sslPassword }),
    ...(host !== undefined && hostaddr !== undefined ? { servername: host } : {}),
  };
  if (sslMode === "verify-ca") options.checkServerIdentity = () => undefined;
  return options;
}

async function pem(setting: string, value: string | undefined): Promise<string | undefined> {
  if (value === undefined || value.includes("-----BEGIN")) return value;
  try {
    return await readFile(value, "utf8");
  } catch (error) {
    throw fail("openFailed", { why: `${setting}: the file cannot be read: ${causeText(error)}` }, { cause: error });
  }
}

/** Whether what failed over TLS may be tried without. */
export const mayGoWithoutTls = ({ sslMode }: Address): boolean => sslMode === "allow" || sslMode === "prefer";
