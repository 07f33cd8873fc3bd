import type { TObject } from "typebox";
import type { Call, Definition, Open, Opened } from "./driver.ts";

/** A key in JSON Web Key form (RFC 7517); symmetric keys have kty `oct`. */
export type Jwk = Readonly<Record<string, unknown>> & { readonly kty: string };

/**
 * A source of keys. Operations on keys that may leave the backend are done by the sidecar itself; a backend whose keys
 * never leave it will offer the operations as capabilities.
 */
export interface KeyStore extends Opened {
  /** The key with that name, private parts included; rejects with `cryptoKey` when it is absent. */
  key(name: string, call: Call): Promise<Jwk>;
}

export interface CryptoDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "crypto";
  readonly capabilities: readonly never[];
  readonly open: Open<M, KeyStore>;
}

/** Defines a crypto driver. */
export function defineKeyStore<M extends TObject>(
  driver: Definition<M> & { readonly open: Open<M, KeyStore> },
): CryptoDriver<M> {
  return { kind: "crypto", capabilities: [], ...driver };
}
