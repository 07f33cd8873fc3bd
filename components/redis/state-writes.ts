import { causeText, fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import type { StateOperation } from "../contract/state.ts";
import type { Client } from "./client.ts";
import type { Connection, Link } from "./link.ts";
import { runScript } from "./script.ts";
import { type WriteArguments, writeScript } from "./state-scripts.ts";

const replicaTimeoutMs = 1000;

/** The writes of one state store, each alone or several as one. */
export class StateWrites {
  readonly #client: Client;
  readonly #ttlSeconds: number;
  readonly #context: OpenContext;
  #hasDocuments: Promise<boolean> | undefined;
  #confirming: Promise<Link> | undefined;
  #hasWarned = false;

  /** @param ttlSeconds for values whose request names none; 0 or less: they do not end */
  constructor(client: Client, ttlSeconds: number, context: OpenContext) {
    this.#client = client;
    this.#ttlSeconds = ttlSeconds;
    this.#context = context;
  }

  /** Does all in their order, or none: then it rejects with `etagMismatch` or `etagInvalid`. */
  async apply(operations: readonly StateOperation[], call: Call): Promise<void> {
    if (operations.length === 0) return;
    const keys = operations.map(({ key }) => key);
    const documents = operations.some(wantsDocument) && (await this.#documents(call));
    const args = operations.flatMap((operation) => this.#arguments(operation, documents));
    const once = { once: !operations.every(isRepeatable) };
    const isStrong = operations.some(({ options }) => options.consistency === "strong");
    const refused = isStrong
      ? await this.#confirmed((connection) => runScript(connection, writeScript, keys, args), call)
      : await this.#client.run(writeScript, keys, args, call, once);
    if (refused !== 0) throw fail("etagMismatch", { key: keys[Number(refused) - 1] ?? "" });
  }

  #arguments(operation: StateOperation, documents: boolean): WriteArguments {
    const { key, options, kind } = operation;
    const { etag = "", concurrency = "" } = options;
    if (options.etag !== undefined && !/^\d+$/.test(etag)) throw fail("etagInvalid", { key });
    if (kind === "delete") return ["delete", etag, concurrency, 0, none];
    const isDocument = documents && wantsDocument(operation);
    const { data } = operation;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (isDocument) requireJson(bytes);
    return [isDocument ? "json" : "set", etag, concurrency, this.#ttlMs(operation.options), bytes];
  }

  #ttlMs({ ttlSeconds, metadata }: Extract<StateOperation, { kind: "set" }>["options"]): number {
    // A request that names 0 or less wants no end, whatever the component says.
    const isNamed = metadata !== undefined && Object.keys(metadata).some((key) => key.toLowerCase() === "ttlinseconds");
    const seconds = ttlSeconds ?? (isNamed ? 0 : this.#ttlSeconds);
    return seconds > 0 ? Math.max(1, Math.round(seconds * 1000)) : 0;
  }

  /** Whether the server has RedisJSON; without it JSON values are kept as any other, and read back the same. */
  #documents(call: Call): Promise<boolean> {
    this.#hasDocuments ??= this.#client.command("COMMAND", ["INFO", "JSON.SET"], call).then(
      (answer) => Array.isArray(answer) && Array.isArray(answer[0]),
      () => false,
    );
    return this.#hasDocuments;
  }

  /**
   * Writes and waits until the replicas have it, on a connection of its own, which such a wait holds up.
   * Rejects with `backendUnavailable` when some of them do not confirm in time; the primary has the write then.
   */
  async #confirmed(write: (connection: Connection) => Promise<unknown>, call: Call): Promise<unknown> {
    const replicas = this.#client.isCluster ? 0 : await this.#replicas(call);
    if (this.#client.isCluster) this.#warnOnce("consistency strong is not awaited in a cluster");
    if (replicas === 0) return this.#client.send(write, call, { once: true });
    this.#confirming ??= this.#client.dedicate({}, this.#context.signal).catch((error: unknown) => {
      this.#confirming = undefined;
      throw error;
    });
    const link = await this.#confirming;
    try {
      const both = (connection: Connection) =>
        Promise.all([write(connection), connection.call("WAIT", replicas, replicaTimeoutMs)]);
      const [refused, confirmed] = await link.send(both, call, { once: true });
      if (refused !== 0 || Number(confirmed) >= replicas) return refused;
      const cause = `${confirmed} of ${replicas} replicas have confirmed the write within ${replicaTimeoutMs} ms; the primary has it`;
      throw fail("backendUnavailable", { name: this.#context.name, cause });
    } catch (error) {
      throw this.#client.translate(error);
    }
  }

  async #replicas(call: Call): Promise<number> {
    try {
      const info = String(await this.#client.command("INFO", ["replication"], call));
      return Number(/connected_slaves:(\d+)/.exec(info)?.[1] ?? 0);
    } catch (error) {
      this.#warnOnce(`consistency strong is not awaited, the number of replicas is not known: ${causeText(error)}`);
      return 0;
    }
  }

  #warnOnce(message: string): void {
    if (!this.#hasWarned) this.#context.log.warn(message);
    this.#hasWarned = true;
  }

  async close(): Promise<void> {
    const link = await this.#confirming?.catch(() => undefined);
    await link?.close();
  }
}

const none = Buffer.alloc(0);

/** Twice is once: no condition that the first time could have changed. */
const isRepeatable = ({ options }: StateOperation): boolean =>
  options.etag === undefined && options.concurrency !== "first-write";

const wantsDocument = (operation: StateOperation): boolean =>
  operation.kind === "set" && /^application\/json\b/i.test(operation.options.contentType ?? "");

function requireJson(bytes: Buffer): void {
  try {
    JSON.parse(bytes.toString());
  } catch (error) {
    throw fail("requestMetadataInvalid", { key: "contentType", why: `the value is not JSON: ${causeText(error)}` });
  }
}
