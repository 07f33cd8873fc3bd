import type { Client } from "./client.ts";
import type { LineLog } from "./line-log.ts";
import type { Claim, MessageLog } from "./message-log.ts";

/** How a claim ends. */
export interface Settlement {
  readonly claim: Claim;
  /** `done`: never again. `back`: in its place, as if it had not been taken. A number: due again at that time. */
  readonly end: "done" | "back" | number;
  /** It was in the handler. */
  readonly wasActive: boolean;
}

export interface SettlingOptions {
  /** Id of the group in the log. */
  readonly group: number;
  /** Undefined: the group keeps no order. */
  readonly lines: LineLog | undefined;
  /** Channel that other members hear when a line is theirs to take. */
  readonly channel: string;
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
  readonly #options: SettlingOptions;
  readonly #wakes: readonly string[];
  readonly #hooks: SettlingHooks;
  #settled: Settlement[] = [];
  #isWriting = false;

  constructor(client: Client, log: MessageLog, options: SettlingOptions, hooks: SettlingHooks) {
    this.#client = client;
    this.#log = log;
    this.#options = options;
    this.#wakes = options.lines ? [options.channel] : [];
    this.#hooks = hooks;
  }

  /** Something is not in the log yet. */
  get isBusy(): boolean {
    return this.#isWriting;
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
      this.#settle(taken);
    };
    this.#client.write(run, {}, { atomic: true, durable: false, wakes: this.#wakes }).then(
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

  #settle(settlements: readonly Settlement[]): void {
    const { group, lines } = this.#options;
    for (const { claim, end } of settlements) {
      if (end === "done") this.#log.acknowledge(group, claim);
      else if (end === "back") lines?.giveBack(claim);
      else this.#log.postpone(group, claim, end);
    }
    lines?.wake(new Set(settlements.flatMap(({ claim: { key } }) => (key === null ? [] : [key]))));
  }

  #committed(settled: readonly Settlement[]): void {
    this.#isWriting = false;
    if (this.#settled.length > 0) this.#write();
    this.#hooks.onCommitted(settled);
  }
}
