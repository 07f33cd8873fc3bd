import type { IncomingMessage, MessageHandler, Settle } from "../../components/contract/pubsub.ts";

/** Keys of messages, and their places under them, are in their texts: `key:place`. */
interface Queue {
  /** Messages that are not acknowledged, each with the handler that has it. */
  readonly unsettled: Map<number, Holding | undefined>;
}

interface Holding {
  readonly member: string;
}

/**
 * Watches the members of a group handle `key:place` messages. What breaks the promise of `ordering` is in `violations`:
 * a message that comes before an earlier one has been handed over, or while another member holds one of its key.
 */
export class OrderWatch {
  readonly violations: string[] = [];
  /** Texts in the order in which they came, repetitions included. */
  readonly arrivals: string[] = [];
  readonly #queues = new Map<string, Queue>();
  #sent = 0;
  #done = 0;

  /** Call it before the message is published, in the order of its key. */
  sent(text: string): void {
    const { key, place } = parse(text);
    this.#queue(key).unsettled.set(place, undefined);
    this.#sent += 1;
  }

  get isComplete(): boolean {
    return this.#done === this.#sent;
  }

  /** A handler for the member; `decide` may take its time. */
  member(name: string, decide: (message: IncomingMessage) => Settle | Promise<Settle> = () => "ack"): MessageHandler {
    return async (message) => {
      const text = Buffer.from(message.data).toString();
      const holding = { member: name };
      this.#came(text, holding);
      const settled = await decide(message);
      const { key, place } = parse(text);
      const { unsettled } = this.#queue(key);
      const release = () => unsettled.get(place) === holding && unsettled.set(place, undefined);
      // The broker does not know before it has seen the answer, and may hand over the next one meanwhile.
      if (settled !== "ack") setImmediate(release);
      else if (unsettled.delete(place)) this.#done += 1;
      return settled;
    };
  }

  /** The member is dead or stands still: what it holds goes to others. */
  gone(name: string): void {
    for (const { unsettled } of this.#queues.values()) {
      for (const [place, holding] of unsettled) if (holding?.member === name) unsettled.set(place, undefined);
    }
  }

  #came(text: string, holding: Holding): void {
    this.arrivals.push(text);
    const { key, place } = parse(text);
    const { unsettled } = this.#queue(key);
    if (!unsettled.has(place)) this.violations.push(`${text} came again after it had been acknowledged`);
    for (const [other, holder] of unsettled) {
      if (holder !== undefined && holder.member !== holding.member) {
        this.violations.push(`${text} came to ${holding.member} while ${holder.member} held ${key}:${other}`);
      }
      if (other < place && holder === undefined) this.violations.push(`${text} came before ${key}:${other}`);
    }
    unsettled.set(place, holding);
  }

  #queue(key: string): Queue {
    const queue = this.#queues.get(key) ?? { unsettled: new Map() };
    this.#queues.set(key, queue);
    return queue;
  }
}

function parse(text: string): { readonly key: string; readonly place: number } {
  const [key = "", place] = text.split(":");
  return { key, place: Number(place) };
}
