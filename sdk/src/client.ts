import { OutputBinding } from "./blocks/bindings.ts";
import { ConfigurationStore } from "./blocks/configuration.ts";
import { Conversation } from "./blocks/conversation.ts";
import { CryptoProvider } from "./blocks/crypto.ts";
import { type InvokeOptions, type InvokeResponse, invoke } from "./blocks/invoke.ts";
import { Jobs } from "./blocks/jobs.ts";
import { LockStore } from "./blocks/locks.ts";
import { PubSub } from "./blocks/pubsub.ts";
import { SecretStore } from "./blocks/secrets.ts";
import { Sidecar } from "./blocks/sidecar.ts";
import { StateStore } from "./blocks/state.ts";
import { type ClientOptions, type ClientSettings, type GrpcEndpoint, resolveOptions } from "./client-options.ts";
import { GrpcTransport } from "./grpc/transport.ts";
import { HttpTransport } from "./http/transport.ts";
import type { Transport } from "./transport.ts";

/**
 * The sidecar's API. A component's part of it is named by the component; nothing is asked until a method is called.
 * Failures are MechaClientErrors, the same over both transports.
 *
 * @example
 * ```ts
 * import { createClient, type MechaClient } from "@mecha/sdk";
 *
 * async function order(client: MechaClient, item: string): Promise<void> {
 *   await client.state("orders").set("1", { item });
 *   await client.pubsub("bus").publish("orders", { item });
 *   const stock = await client.invoke("stock", `items/${item}`);
 *   console.log(await stock.json<{ left: number }>());
 * }
 * await using client = createClient();
 * await order(client, "apple");
 * ```
 */
export interface MechaClient extends AsyncDisposable {
  /** Keys and values. */
  state<T = unknown>(store: string): StateStore<T>;
  /** Events. */
  pubsub(name: string): PubSub;
  /**
   * Calls another app. Rejects when it answers 400 or more: `httpStatus` and `body` of the error are the app's.
   * `timeoutMs` counts until the body has arrived.
   */
  invoke(appId: string, method: string, options?: InvokeOptions): Promise<InvokeResponse>;
  /** Something outside. */
  binding(name: string): OutputBinding;
  /** Secrets. */
  secrets(store: string): SecretStore;
  /** Values that change while the app runs. */
  configuration(store: string): ConfigurationStore;
  /** One at a time. */
  locks(store: string): LockStore;
  /** Encryption by keys that never leave their provider. */
  crypto(provider: string): CryptoProvider;
  /** Language models. */
  conversation(name: string): Conversation;
  /** Named triggers. */
  readonly jobs: Jobs;
  /** The sidecar itself. */
  readonly sidecar: Sidecar;
  /** Ends the connections; calls under way fail. Idempotent. */
  close(): Promise<void>;
}

/**
 * Makes a client. Connections are opened when they are needed.
 *
 * @throws TypeError when an option, or a variable in its place, is wrong
 * @example
 * ```ts
 * import { createClient } from "@mecha/sdk";
 *
 * await using client = createClient({ transport: "grpc", timeoutMs: 5_000 });
 * await client.sidecar.waitUntilReady();
 * console.log(await client.secrets("vault").get("database"));
 * ```
 */
export function createClient(options: ClientOptions = {}): MechaClient {
  const transport = openTransport(resolveOptions(options, process.env));
  const close = async () => transport.close();
  return {
    state: <T>(store: string) => new StateStore<T>(transport, store),
    pubsub: (name) => new PubSub(transport, name),
    invoke: (appId, method, invokeOptions = {}) => invoke(transport, appId, method, invokeOptions),
    binding: (name) => new OutputBinding(transport, name),
    secrets: (store) => new SecretStore(transport, store),
    configuration: (store) => new ConfigurationStore(transport, store),
    locks: (store) => new LockStore(transport, store),
    crypto: (provider) => new CryptoProvider(transport, provider),
    conversation: (name) => new Conversation(transport, name),
    jobs: new Jobs(transport),
    sidecar: new Sidecar(transport),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function openTransport({ transport, http, grpc, apiToken, timeoutMs }: ClientSettings): Transport {
  const overGrpc = (endpoint: GrpcEndpoint) => new GrpcTransport({ endpoint, apiToken, timeoutMs });
  // With this transport an endpoint is always there.
  if (transport === "grpc") return overGrpc(grpc as GrpcEndpoint);
  return new HttpTransport({ url: http, apiToken, timeoutMs, grpc: grpc && (() => overGrpc(grpc)) });
}
