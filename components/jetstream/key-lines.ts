import type { Order } from "../contract/pubsub.ts";
import type { Delivered } from "./message.ts";

/** A message that the working member of an ordered group holds. */
export interface Held extends Omit<Delivered, "reply" | "deliveries" | "turn"> {
  /** How often it has been handed over. */
  attempts: number;
}

interface Line {
  /** In the handler. */
  active: number;
  /** One has failed: none is handed over before those in the handler are back and a pause is over. */
  isBroken: boolean;
}

/**
 * Messages in the order of their numbers, and of each key none before an earlier one. A message that fails goes back
 * before later ones of its key, which wait meanwhile; other keys go on.
 */
export class KeyLines {
  readonly #order: Order;
  readonly #lines = new Map<string, Line>();
  #broken = 0;
  /** In ascending order. */
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
    const last = this.#waiting.at(-1);
    if (!last || last.seq < held.seq) this.#waiting.push(held);
    else {
      const at = this.#waiting.findIndex(({ seq }) => seq > held.seq);
      this.#waiting.splice(at, 0, held);
    }
  }

  /** Gives the next one for the handler; undefined: there is none for now. */
  take(): Held | undefined {
    const at = this.#broken === 0 ? 0 : this.#waiting.findIndex((held) => !this.#isBroken(held));
    const held = at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
    if (!held) return undefined;
    const name = this.#nameOf(held);
    const line = this.#lines.get(name) ?? { active: 0, isBroken: false };
    line.active += 1;
    this.#lines.set(name, line);
    return held;
  }

  /**
   * It has left the handler, and is to be handed over again unless it is done.
   * @returns a function to call after a pause, which lets the line go on; undefined: it goes on, or waits for others
   */
  leave(held: Held, isDone: boolean): (() => void) | undefined {
    const name = this.#nameOf(held);
    const line = this.#lines.get(name);
    if (!line) return undefined;
    line.active -= 1;
    if (!isDone) {
      this.add(held);
      if (!line.isBroken) this.#broken += 1;
      line.isBroken = true;
    }
    if (line.active > 0) return undefined;
    if (!line.isBroken) {
      this.#lines.delete(name);
      return undefined;
    }
    return () => {
      this.#lines.delete(name);
      this.#broken -= 1;
    };
  }

  #isBroken(held: Held): boolean {
    return this.#lines.get(this.#nameOf(held))?.isBroken ?? false;
  }

  /** Without a key it has a line to itself. */
  #nameOf({ metadata, seq }: Held): string {
    if (this.#order === "topic") return "";
    const key = metadata["partitionKey"];
    return key === undefined ? `#${seq}` : `=${key}`;
  }
}
