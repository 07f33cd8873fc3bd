import type { Order } from "../contract/pubsub.ts";
import type { Entry } from "./stream.ts";

/** An entry that the member holds whose turn it is. */
export interface Held {
  readonly entry: Entry;
  /** How often it has been delivered, this time included. */
  deliveries: number;
  /** It has been in the handler, which did not take it. */
  hasFailed: boolean;
}

interface Line {
  /** How many are in the handler. */
  active: number;
  /** The first that failed: none is handed over before those in the handler are back and a pause is over. */
  failed: Entry | undefined;
}

/** A line of which nothing is in the handler any more, and that does not go on by itself. */
export interface Broken {
  /** Its entries that failed by themselves, and are not counted yet. */
  failed(): readonly Held[];
  goOn(): void;
}

/**
 * Entries in the order of the stream, and of each key none before an earlier one. One that fails goes back before later
 * ones of its key, which wait meanwhile; other keys go on.
 */
export class KeyLines {
  readonly #order: Order;
  readonly #lines = new Map<string, Line>();
  #broken = 0;
  /** In their order. */
  readonly #waiting: Held[] = [];

  constructor(order: Order) {
    this.#order = order;
  }

  /** Those that are not in the handler, in their order. */
  get waiting(): readonly Held[] {
    return this.#waiting;
  }

  /** How many could be handed over now. */
  get startable(): number {
    if (this.#broken === 0) return this.#waiting.length;
    return this.#waiting.filter((held) => !this.#isBroken(held)).length;
  }

  add(held: Held): void {
    const at = this.#waiting.findLastIndex(({ entry }) => isBefore(entry, held.entry));
    this.#waiting.splice(at + 1, 0, held);
  }

  /** Gives the next one for the handler; undefined: there is none for now. */
  take(): Held | undefined {
    const at = this.#broken === 0 ? 0 : this.#waiting.findIndex((held) => !this.#isBroken(held));
    const held = at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
    if (!held) return undefined;
    const name = this.#nameOf(held);
    const line = this.#lines.get(name) ?? { active: 0, failed: undefined };
    line.active += 1;
    this.#lines.set(name, line);
    return held;
  }

  /** It has left the handler; unless it is done it waits again, and what waits behind it. */
  leave(held: Held, isDone: boolean): Broken | undefined {
    const name = this.#nameOf(held);
    const line = this.#lines.get(name);
    if (!line) return undefined;
    line.active -= 1;
    if (!isDone) {
      // What comes back behind a failure may not have been tried: the sidecar hands back what it held behind it.
      held.hasFailed = line.failed === undefined || isBefore(held.entry, line.failed);
      if (!line.failed) this.#broken += 1;
      if (held.hasFailed) line.failed = held.entry;
      this.add(held);
    }
    if (line.active > 0) return undefined;
    if (line.failed) return this.#brokenLine(name);
    this.#lines.delete(name);
    return undefined;
  }

  /** One that waits is gone from the stream. */
  forget(held: Held): void {
    const at = this.#waiting.indexOf(held);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #brokenLine(name: string): Broken {
    return {
      failed: () => this.#waiting.filter((held) => held.hasFailed && this.#nameOf(held) === name),
      goOn: () => {
        this.#lines.delete(name);
        this.#broken -= 1;
      },
    };
  }

  #isBroken(held: Held): boolean {
    return this.#lines.get(this.#nameOf(held))?.failed !== undefined;
  }

  /** Without a key it has a line to itself. */
  #nameOf({ entry: { id, metadata } }: Held): string {
    if (this.#order === "topic") return "";
    const key = metadata["partitionKey"];
    return key ? `=${key}` : `#${id}`;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  const [leftMs, leftNumber] = partsOf(left);
  const [rightMs, rightNumber] = partsOf(right);
  return leftMs < rightMs || (leftMs === rightMs && leftNumber < rightNumber);
}

function partsOf({ id }: Entry): readonly [ms: number, number: number] {
  const dash = id.indexOf("-");
  return [Number(id.slice(0, dash)), Number(id.slice(dash + 1))];
}
