import type { Call, Clock } from "../contract/driver.ts";
import { type Address, toText } from "./addresses.ts";
import { type ConnectionSettings, Connections } from "./connections.ts";
import { BrokerError, isFinal, isPassing, openFailure } from "./failures.ts";
import type { Library } from "./library.ts";
import { orAbort, pause } from "./pause.ts";
import type { Answer, ApiName, Asked } from "./requests.ts";

export interface Partition {
  /** Number of the broker that leads it; -1: none does at present. */
  readonly leader: number;
  readonly epoch: number;
}

/** Partitions by their number. */
export type Topic = readonly Partition[];

export interface ClusterSettings extends ConnectionSettings {
  readonly bootstrap: readonly [Address, ...Address[]];
  /** What is known of topics counts for so long; milliseconds. */
  readonly refreshMs: number;
  /** Longest time to find out about a topic; 0: the caller's. */
  readonly metadataMs: number;
}

interface Known {
  readonly topic: Topic;
  readonly at: number;
}

export interface TopicOptions {
  /** Asks the brokers to make it if there is none. */
  readonly create?: boolean;
  /** What is known is wrong. */
  readonly fresh?: boolean;
}

const openAttempts = 3;
const pauseMs = 100;
const longestPauseMs = 1000;
/** A new topic is known to all brokers after so long, surely. */
const newTopicMs = 10_000;

/** The brokers, what they say about topics, and who coordinates groups. */
export class Cluster {
  readonly library: Library;
  readonly #settings: ClusterSettings;
  readonly #clock: Clock;
  readonly #connections: Connections;
  #nodes: ReadonlyMap<number, Address> = new Map();
  readonly #topics = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Topic>>();

  constructor(library: Library, settings: ClusterSettings, clock: Clock) {
    this.library = library;
    this.#settings = settings;
    this.#clock = clock;
    this.#connections = this.connections();
  }

  /** Makes connections for one purpose, which whoever asks closes. */
  connections(owedMs?: number): Connections {
    return new Connections(this.library, this.#settings, owedMs);
  }

  /** Connects. Rejects with `openFailed` after some attempts, at once where another cannot help. */
  async open(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.ping({ signal });
        return;
      } catch (error) {
        if (signal.aborted || isFinal(error) || attempt === openAttempts) {
          await this.close();
          throw openFailure(error, this.#settings.bootstrap.map(toText).join(", "));
        }
      }
      await pause(this.#clock, pauseMs * attempt, signal);
    }
  }

  /** Rejects when no broker answers. */
  async ping(call: Call): Promise<void> {
    await this.#metadata([], false, call);
  }

  /** Asks one broker after the other until one answers: those that were heard of, then those of the settings. */
  async askAny<N extends ApiName>(name: N, asked: Asked<N>, call: Call, part = false): Promise<Answer<N>> {
    let failure: unknown;
    for (const address of [...this.#nodes.values(), ...this.#settings.bootstrap]) {
      try {
        return await this.#connections.ask(address, name, asked, { signal: call.signal, part });
      } catch (error) {
        call.signal?.throwIfAborted();
        if (!isPassing(error) && !isFinal(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** Where a broker listens. Throws the BrokerError `BROKER_NOT_AVAILABLE`. */
  address(node: number): Address {
    const address = this.#nodes.get(node);
    if (!address) throw new BrokerError("BROKER_NOT_AVAILABLE", `broker ${node} is not there at present`);
    return address;
  }

  /**
   * Partitions of a topic, each with a leader or without. Rejects with the BrokerError `UNKNOWN_TOPIC_OR_PARTITION` and
   * the like, after a while where the topic is in the making.
   */
  topic(name: string, { create = false, fresh = false }: TopicOptions, call: Call): Promise<Topic> {
    const known = this.#topics.get(name);
    if (known && !fresh && known.at + this.#settings.refreshMs > this.#clock.now()) return Promise.resolve(known.topic);
    // All who ask for a topic at one time share the answer; nobody's signal ends it for the others.
    const key = `${name} ${create}`;
    let asking = this.#asking.get(key);
    if (!asking) {
      asking = this.#findTopic(name, create).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return orAbort(asking, call.signal);
  }

  /** What is known of a topic now; undefined: nothing. What is old is asked for again meanwhile. */
  knownTopic(name: string): Topic | undefined {
    const known = this.#topics.get(name);
    if (known && known.at + this.#settings.refreshMs <= this.#clock.now()) this.topic(name, {}, {}).catch(() => {});
    return known?.topic;
  }

  async #findTopic(name: string, create: boolean): Promise<Topic> {
    const { metadataMs } = this.#settings;
    const end = this.#clock.now() + Math.min(newTopicMs, metadataMs || newTopicMs);
    for (let ms = pauseMs / 2; ; ms = Math.min(2 * ms, longestPauseMs)) {
      const { topics } = await this.#metadata([name], create, {});
      const [found] = topics;
      const code = this.library.protocolErrorsCodesById[found?.errorCode ?? 3] ?? "UNKNOWN";
      if (found && code === "NONE") return this.#keep(name, found.partitions);
      const isInTheMaking = code === "LEADER_NOT_AVAILABLE" || (create && code === "UNKNOWN_TOPIC_OR_PARTITION");
      if (code === "UNKNOWN_TOPIC_OR_PARTITION") this.#topics.delete(name);
      if (!isInTheMaking || this.#clock.now() + ms > end) throw new BrokerError(code, `topic ${name}`);
      await pause(this.#clock, ms);
    }
  }

  #keep(name: string, found: Answer<"Metadata">["topics"][number]["partitions"]): Topic {
    const topic: Partition[] = [];
    for (const { partitionIndex, leaderId, leaderEpoch } of found) {
      topic[partitionIndex] = { leader: leaderId, epoch: leaderEpoch ?? -1 };
    }
    this.#topics.set(name, { topic, at: this.#clock.now() });
    return topic;
  }

  async #metadata(topics: string[], create: boolean, call: Call): Promise<Answer<"Metadata">> {
    const answer = await this.askAny("Metadata", [topics, create], call, true);
    if (answer.brokers.length > 0) {
      this.#nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    }
    return answer;
  }

  /** Number of the broker that coordinates a group. */
  async coordinator(group: string, call: Call): Promise<number> {
    const groups = 0;
    const { coordinators } = await this.askAny("FindCoordinator", [groups, [group]], call);
    const [found] = coordinators;
    if (!found || found.nodeId < 0) throw new BrokerError("COORDINATOR_NOT_AVAILABLE");
    if (!this.#nodes.has(found.nodeId)) {
      this.#nodes = new Map([...this.#nodes, [found.nodeId, { host: found.host, port: found.port }]]);
    }
    return found.nodeId;
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#connections.close();
  }
}
