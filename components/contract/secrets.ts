import type { TObject } from "typebox";
import type { Call, Definition, Open, Opened } from "./driver.ts";

export type SecretValues = Readonly<Record<string, string>>;

/** A store of secrets; a secret holds one or several named values. */
export interface SecretStore extends Opened {
  /** The values of one secret; rejects with `secretNotFound` when it is absent. */
  get(name: string, metadata: Readonly<Record<string, string>>, call: Call): Promise<SecretValues>;
  /** All secrets that the component may read. */
  getAll(metadata: Readonly<Record<string, string>>, call: Call): Promise<Readonly<Record<string, SecretValues>>>;
}

/** `multiple`: a secret may hold several values. */
export type SecretCapability = "multiple";

export interface SecretDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "secretstores";
  readonly capabilities: readonly SecretCapability[];
  readonly open: Open<M, SecretStore>;
}

/** Defines a secret store driver. */
export function defineSecretStore<M extends TObject>(
  driver: Definition<M> & { readonly capabilities: readonly SecretCapability[]; readonly open: Open<M, SecretStore> },
): SecretDriver<M> {
  return { kind: "secretstores", ...driver };
}
