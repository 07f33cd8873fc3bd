import type { Call, Log } from "../contract/driver.ts";
import type { Cluster } from "./cluster.ts";
import { brokerCode, saying } from "./failures.ts";

/** A number that brokers give, under which they take each batch once. */
export interface Identity {
  readonly id: bigint;
  readonly epoch: number;
}

/** No number: nobody looks whether a batch comes twice. */
export const anonymous: Identity = { id: -1n, epoch: -1 };

/** The number of one producer, asked for when it is first needed. */
export class Identities {
  readonly #cluster: Cluster;
  readonly #log: Log;
  #known: Identity | undefined;

  constructor(cluster: Cluster, log: Log) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** Rejects with the library's error, also while the brokers are not ready to give one. */
  async current(call: Call): Promise<Identity> {
    this.#known ??= await this.#ask(call);
    return this.#known;
  }

  async #ask(call: Call): Promise<Identity> {
    try {
      const transactionMs = 60_000;
      const answer = await this.#cluster.askAny("InitProducerId", [null, transactionMs, -1n, -1], call);
      return { id: answer.producerId, epoch: answer.producerEpoch };
    } catch (error) {
      const code = brokerCode(error);
      if (code !== "CLUSTER_AUTHORIZATION_FAILED" && code !== "UNSUPPORTED_VERSION") throw error;
      this.#log.warn(
        `messages whose acknowledgement is lost may be published twice, since the brokers give no producer id: ${saying(error)}`,
      );
      return anonymous;
    }
  }

  /** The brokers do not know it any more, or its batches are not in their order. */
  forget(identity: Identity): void {
    if (this.#known === identity && identity !== anonymous) this.#known = undefined;
  }
}
