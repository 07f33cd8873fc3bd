import type { SslOptions } from "mysql2";
import { fail } from "../../specs/errors.ts";
import { readPem } from "../contract/pem.ts";
import type { Address } from "./connection-string.ts";

/** How to secure a connection. */
export interface Tls {
  readonly options: SslOptions;
  /** The certificate must be for the host that was asked for. */
  readonly verifiesName: boolean;
}

/** The ways to try, in order; undefined: without TLS. Rejects with `openFailed` when the file of pemPath is not usable. */
export async function tlsWays(
  { tls, host }: Address,
  pemPath: string | undefined,
): Promise<readonly (Tls | undefined)[]> {
  const ca = await readPem("pemPath", pemPath);
  const given = ca === undefined ? {} : { ca };
  const checked: Tls = { options: { ...given, rejectUnauthorized: true }, verifiesName: true };
  const unchecked: Tls = { options: { rejectUnauthorized: false }, verifiesName: false };
  switch (tls) {
    case "true":
      return [checked];
    case "custom":
      if (ca === undefined) {
        throw fail("openFailed", { why: "pemPath: tls=custom needs the authority of the server; name its PEM file" });
      }
      return [checked];
    case "skip-verify":
      return [unchecked];
    case "preferred":
      return [ca === undefined ? unchecked : checked, undefined];
    default:
      // A certificate that is given is there to be used, except over a socket of this machine.
      return ca === undefined || host.startsWith("/") ? [undefined] : [checked];
  }
}
