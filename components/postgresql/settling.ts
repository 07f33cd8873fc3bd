import type { Claim, MessageLog, Settlement } from "./message-log.ts";

export interface SettlingHooks {
  /** Takes what waits in the buffer under these keys, to give it back. */
  withdraw(keys: ReadonlySet<string>): readonly Claim[];
  /** What the consumer has in hand now, by number. */
  inHand(): ReadonlySet<string>;
  /** Keys that are about to be postponed. */
  onPostponing(keys: ReadonlySet<string>): void;
  /** Settlements are in the log, or given up. */
  onCommitted(settled: readonly Settlement[]): void;
  /** Part of what was asked for may have been done. `again`: calls the function after a pause. */
  onFailed(error: unknown, again: () => void): "again" | "give up";
}

/**
 * Ends claims in batches: all that is settled while a batch is written makes the next one. A message that is postponed
 * takes those back that follow it under its key.
 */
export class Settling {
  readonly #log: MessageLog;
  readonly #group: string;
  readonly #hooks: SettlingHooks;
  #settled: Settlement[] = [];
  /** To be given back without having been in the handler. */
  #returned: Claim[] = [];
  #isWriting = false;
  #isFailing = false;

  constructor(log: MessageLog, group: string, hooks: SettlingHooks) {
    this.#log = log;
    this.#group = group;
    this.#hooks = hooks;
  }

  /** Something is not in the log yet. */
  get isBusy(): boolean {
    return this.#isWriting;
  }

  /** What the log has done of the last batch is not known: nothing is to be claimed again before it is. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Claims that are to be given back. */
  get returned(): readonly Claim[] {
    return this.#returned;
  }

  /** Numbers of all that is still to be written. */
  get pending(): ReadonlySet<string> {
    return new Set([...this.#settled.map(({ claim }) => claim), ...this.#returned].map(({ seq }) => seq));
  }

  settle(settlement: Settlement): void {
    this.#settled.push(settlement);
    this.#write();
  }

  giveBack(claims: readonly Claim[]): void {
    if (claims.length === 0) return;
    this.#returned.push(...claims);
    this.#write();
  }

  #write(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    const settled = this.#settled.splice(0);
    const postponed = keysOf(settled.filter(({ end }) => end !== "done"));
    const returned = [...this.#returned.splice(0), ...this.#hooks.withdraw(postponed)];
    this.#hooks.onPostponing(postponed);
    this.#settleAll([...settled, ...returned.map((claim) => ({ claim, end: "back" }) as const)]).then(
      () => {
        this.#isFailing = false;
        this.#committed(settled, postponed);
      },
      (error: unknown) => {
        const again = () => {
          this.#isWriting = false;
          this.#write();
        };
        if (this.#hooks.onFailed(error, again) === "give up") {
          this.#committed(settled, postponed);
          return;
        }
        this.#isFailing = true;
        this.#settled.unshift(...settled);
        // What was given back and has been claimed again is not to be given back again.
        const inHand = this.#hooks.inHand();
        this.#returned.unshift(...returned.filter(({ seq }) => !inHand.has(seq)));
      },
    );
  }

  async #settleAll(settlements: readonly Settlement[]): Promise<void> {
    const owners = new Set(settlements.map(({ claim }) => claim.owner));
    for (const owner of owners) {
      const own = owners.size === 1 ? settlements : settlements.filter(({ claim }) => claim.owner === owner);
      await this.#log.settle(this.#group, owner, own);
    }
  }

  #committed(settled: readonly Settlement[], postponed: ReadonlySet<string>): void {
    this.#isWriting = false;
    // What has come in the meantime of a key that was postponed is too early as well.
    this.#returned.push(...this.#hooks.withdraw(postponed));
    if (this.#settled.length + this.#returned.length > 0) this.#write();
    this.#hooks.onCommitted(settled);
  }
}

const keysOf = (settlements: readonly Settlement[]): ReadonlySet<string> =>
  new Set(settlements.flatMap(({ claim: { key } }) => (key === null ? [] : [key])));
