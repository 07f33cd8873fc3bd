import type { Clock, Log } from "../contract/driver.ts";
import type { Claim } from "./message-log.ts";

export interface RedeliverySettings {
  readonly redeliverInterval: number;
  readonly maxRedeliverInterval: number;
  readonly maxRetries: number;
}

/** When a message that was handed back is delivered again, if at all. */
export class Redelivery {
  readonly #settings: RedeliverySettings;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(settings: RedeliverySettings, clock: Clock, log: Log) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
  }

  /** Milliseconds since 1970; `done` after the last attempt, which is logged. */
  dueOf({ seq, topic, attempt }: Claim): number | "done" {
    const { redeliverInterval, maxRedeliverInterval, maxRetries } = this.#settings;
    if (maxRetries >= 0 && attempt > maxRetries) {
      this.#log.warn(`message ${seq} of topic ${topic} is dropped after ${attempt} attempts`);
      return "done";
    }
    return this.#clock.now() + Math.min(redeliverInterval * 2 ** (attempt - 1), maxRedeliverInterval);
  }
}
