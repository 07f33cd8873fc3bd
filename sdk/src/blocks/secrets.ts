import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type CallOptions, callOf } from "../call.ts";
import type { Transport } from "../transport.ts";
import type { Metadata } from "./state-options.ts";

/**
 * Values of one secret, by name; most stores have one value, under the secret's own name.
 *
 * @example
 * ```ts
 * import { createClient, type Secret } from "@mecha/sdk";
 *
 * const secret: Secret = await createClient().secrets("vault").get("database");
 * console.log(Object.keys(secret));
 * ```
 */
export type Secret = Readonly<Record<string, string>>;

/**
 * A secret store.
 *
 * @example
 * ```ts
 * import { createClient, type SecretStore } from "@mecha/sdk";
 *
 * const vault: SecretStore = createClient().secrets("vault");
 * const { database: password } = await vault.get("database");
 * const all = await vault.getAll();
 * console.log(password?.length, Object.keys(all));
 * ```
 */
export class SecretStore {
  readonly #transport: Transport;
  readonly #store: string;

  /** @internal */
  constructor(transport: Transport, store: string) {
    this.#transport = transport;
    this.#store = store;
  }

  /** Reads one secret. */
  async get(key: string, options: { readonly metadata?: Metadata } & CallOptions = {}): Promise<Secret> {
    const input = { storeName: this.#store, key, metadata: { ...options.metadata } };
    const { data } = await this.#transport.unary(Dapr.method.getSecret, input, callOf(options));
    return data;
  }

  /** Reads every secret that this app may read, by name. */
  async getAll(
    options: { readonly metadata?: Metadata } & CallOptions = {},
  ): Promise<Readonly<Record<string, Secret>>> {
    const input = { storeName: this.#store, metadata: { ...options.metadata } };
    const { data } = await this.#transport.unary(Dapr.method.getBulkSecret, input, callOf(options));
    return Object.fromEntries(Object.entries(data).map(([name, { secrets }]) => [name, secrets]));
  }
}
