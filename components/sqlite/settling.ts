import type { Client } from "./client.ts";
import type { Claim, MessageLog } from "./message-log.ts";

/** How a claim ends. */
export interface Settlement {
  readonly claim: Claim;
  /** `done`: never again. A number: due again at that time. */
  readonly end: "done" | number;
}

export interface SettlingHooks {
  /** Settlements are in the log, or given up. */
  onCommitted(settled: readonly Settlement[]): void;
  /** `again`: calls the function after a pause. */
  onFailed(error: unknown, again: () => void): "again" | "give up";
}

/** Ends claims in batches: all that is settled until a transaction begins goes into it. */
export class Settling {
  readonly #client: Client;
  readonly #log: MessageLog;
  readonly #group: number;
  readonly #hooks: SettlingHooks;
  #settled: Settlement[] = [];
  #isWriting = false;

  constructor(client: Client, log: MessageLog, group: number, hooks: SettlingHooks) {
    this.#client = client;
    this.#log = log;
    this.#group = group;
    this.#hooks = hooks;
  }

  add(settlement: Settlement): void {
    this.#settled.push(settlement);
    this.#write();
  }

  #write(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    let taken: Settlement[] = [];
    const run = () => {
      taken = this.#settled;
      this.#settled = [];
      for (const { claim, end } of taken) {
        if (end === "done") this.#log.acknowledge(this.#group, claim);
        else this.#log.postpone(this.#group, claim, end);
      }
    };
    this.#client.write(run, {}, { atomic: true, durable: false }).then(
      () => this.#committed(taken),
      (error: unknown) => {
        const again = () => {
          this.#isWriting = false;
          this.#write();
        };
        if (this.#hooks.onFailed(error, again) === "give up") this.#committed(taken);
        else this.#settled.unshift(...taken);
      },
    );
  }

  #committed(settled: readonly Settlement[]): void {
    this.#isWriting = false;
    if (this.#settled.length > 0) this.#write();
    this.#hooks.onCommitted(settled);
  }
}
