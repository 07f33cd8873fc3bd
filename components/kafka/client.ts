import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler, Order } from "../contract/pubsub.ts";
import type { Cluster } from "./cluster.ts";
import { openCluster } from "./connect.ts";
import { Consumer } from "./consumer.ts";
import { translate } from "./failures.ts";
import { HeaderRules } from "./headers.ts";
import { Incoming } from "./incoming.ts";
import type { Outgoing } from "./outbox.ts";
import { type Published, toOutgoing } from "./outgoing.ts";
import { Producer } from "./producer.ts";
import { Schemas, schemaSettingsOf } from "./schemas.ts";
import type { Settings } from "./settings.ts";
import type { Refused } from "./ticket.ts";
import { prepareTopic } from "./topics.ts";

export interface Wanted {
  readonly topic: string;
  readonly group: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly concurrency: number;
  readonly order: Order;
}

const acks = { all: -1, "-1": -1, local: 1, "1": 1, none: 0, "0": 0 } as const;

/** Opens a component's view of a cluster. Rejects with `openFailed`. */
export async function openClient(settings: Settings, context: OpenContext): Promise<Client> {
  const rules = new HeaderRules(settings);
  const schemas = new Schemas(schemaSettingsOf(settings), context.clock);
  return new Client(await openCluster(settings, context), rules, schemas, settings, context);
}

/** One component's view of a cluster. Rejects with reasons that name the component. */
export class Client {
  readonly #cluster: Cluster;
  readonly #producer: Producer;
  readonly #rules: HeaderRules;
  readonly #schemas: Schemas;
  readonly #settings: Settings;
  readonly #context: OpenContext;
  readonly #consumers = new Set<Subscription>();
  #closed: Promise<void> | undefined;

  constructor(cluster: Cluster, rules: HeaderRules, schemas: Schemas, settings: Settings, context: OpenContext) {
    this.#cluster = cluster;
    this.#rules = rules;
    this.#schemas = schemas;
    this.#settings = settings;
    this.#context = context;
    const options = {
      acks: acks[settings.producerRequiredAcks],
      compression: settings.compression,
      maxRefusals: settings.producerRetryMax,
      maxMessageBytes: settings.maxMessageBytes,
    };
    this.#producer = new Producer(cluster, options, context.clock, context.log);
  }

  async publish(message: Published, call: Call): Promise<void> {
    const [failed] = await this.publishMany([message], call);
    if (failed) throw failed.cause;
  }

  /** Sends all at once. Gives those that the brokers did not take. */
  async publishMany(messages: readonly Published[], call: Call): Promise<readonly Refused[]> {
    const failed: { index: number; cause: unknown }[] = [];
    const indices: number[] = [];
    const records: Outgoing[] = [];
    for (const [index, message] of messages.entries()) {
      try {
        const made = this.#toRecord(message, call);
        records.push(made instanceof Promise ? await made : made);
        indices.push(index);
      } catch (cause) {
        failed.push({ index, cause });
      }
    }
    try {
      const refused = await this.#producer.send(records, call);
      for (const { index, cause } of refused)
        failed.push({ index: indices[index] ?? 0, cause: this.#translate(cause) });
    } catch (error) {
      throw this.#translate(error);
    }
    return failed.sort((left, right) => left.index - right.index);
  }

  #toRecord(message: Published, call: Call): Outgoing | Promise<Outgoing> {
    const { clock } = this.#context;
    if (!this.#schemas.isWanted(message.metadata)) return toOutgoing(message, this.#rules, clock);
    return this.#schemas
      .encode(message.topic, message.data, call)
      .then((value) => toOutgoing(message, this.#rules, clock, value));
  }

  /** Resolves when the subscription stands. */
  async subscribe(wanted: Wanted, handler: MessageHandler, call: Call): Promise<Subscription> {
    const { topic, metadata } = wanted;
    const group = this.#settings.consumerGroup || wanted.group;
    const decode = this.#schemas.isWanted(metadata) ? (value: Buffer) => this.#schemas.decode(value) : undefined;
    const incoming = new Incoming(topic, this.#rules, decode);
    try {
      await prepareTopic(this.#cluster, topic, wanted.order, call);
      const options = { ...wanted, group, handler, incoming };
      const consumer = new Consumer(this.#cluster, this.#settings, options, this.#context);
      const subscription: Subscription = {
        close: () => consumer.close().finally(() => this.#consumers.delete(subscription)),
      };
      this.#consumers.add(subscription);
      await consumer.open(call.signal).catch((error: unknown) => {
        this.#consumers.delete(subscription);
        throw error;
      });
      return subscription;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    return translate(error, this.#context.name);
  }

  /** Rejects when no broker answers. */
  async ping(call: Call): Promise<void> {
    await this.#cluster.ping(call).catch((error: unknown) => {
      throw this.#translate(error);
    });
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    await this.#producer.close();
    await this.#cluster.close();
  }
}
