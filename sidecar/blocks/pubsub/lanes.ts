import type { IncomingMessage, MessageHandler, Settle } from "../../../components/contract/pubsub.ts";

/** The key that orders a message; undefined: nothing orders it. */
type KeyOf = (message: IncomingMessage) => string | undefined;

/** The `partitionKey` that the publisher gave. */
export const partitionKeyOf: KeyOf = ({ key, metadata }) => key ?? metadata["partitionKey"] ?? metadata["__key"];

interface Lane {
  /** Settles when the last message that has entered is settled. */
  tail: Promise<void>;
  waiting: number;
  /** A message was handed back: those behind it go back too, so that none overtakes it. */
  isBroken: boolean;
}

/** Hands messages of one key over one after another, in the order in which they come; those without a key at once. */
export class Lanes {
  readonly #keyOf: KeyOf;
  readonly #handle: (message: IncomingMessage) => Promise<Settle>;
  readonly #lanes = new Map<string, Lane>();

  constructor(keyOf: KeyOf, handle: (message: IncomingMessage) => Promise<Settle>) {
    this.#keyOf = keyOf;
    this.#handle = handle;
  }

  readonly enter: MessageHandler = (message) => {
    const key = this.#keyOf(message);
    return key === undefined ? this.#handle(message) : this.#inLane(key, message);
  };

  async #inLane(key: string, message: IncomingMessage): Promise<Settle> {
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { tail: Promise.resolve(), waiting: 0, isBroken: false };
      this.#lanes.set(key, lane);
    }
    const before = lane.tail;
    let leave = () => {};
    lane.tail = new Promise<void>((resolve) => {
      leave = resolve;
    });
    lane.waiting += 1;
    try {
      if (lane.waiting > 1) await before;
      if (lane.isBroken) return "retry";
      const settled = await this.#handle(message);
      if (settled !== "ack") lane.isBroken = true;
      return settled;
    } finally {
      lane.waiting -= 1;
      if (lane.waiting === 0) this.#lanes.delete(key);
      leave();
    }
  }
}
