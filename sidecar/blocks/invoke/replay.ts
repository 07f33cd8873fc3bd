/** What is kept for another attempt of one call at most, however long bodies and messages may be. */
export const keptBytes = 4 * 1024 * 1024;

/**
 * The messages of a call, which may be read again from the beginning as long as everything read so far is kept. Nothing is
 * kept any more after `settle`, or once more than `maxBytes` were read.
 */
export class Replay {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #maxBytes: number;
  /** What was read; its first message has the number `#first`. */
  #kept: Uint8Array[] = [];
  #first = 0;
  #bytes = 0;
  #keeping = true;
  #ended = false;
  #reading: Promise<void> | undefined;
  #reader = 0;
  /** How many messages the present reader was given. */
  #given = 0;

  /** `maxBytes` 0: nothing is kept. */
  constructor(source: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
    this.#keeping = maxBytes > 0;
  }

  /** Whether the messages can still be read from the beginning. */
  get possible(): boolean {
    return this.#keeping;
  }

  /** There will be no other attempt. */
  settle(): void {
    this.#keeping = false;
    this.#forget(this.#given);
  }

  /** All messages from the beginning; ends the reading of whoever read before. */
  async *read(): AsyncGenerator<Uint8Array> {
    const reader = ++this.#reader;
    this.#given = this.#first;
    for (let next = this.#keeping ? 0 : this.#first; ; next++) {
      while (next >= this.#first + this.#kept.length) {
        if (this.#ended) return;
        await this.#readOne();
        if (reader !== this.#reader) return;
      }
      const message = this.#kept[next - this.#first] as Uint8Array;
      this.#given = next + 1;
      if (!this.#keeping) this.#forget(this.#given);
      yield message;
      if (reader !== this.#reader) return;
    }
  }

  #forget(until: number): void {
    this.#kept.splice(0, until - this.#first);
    this.#first = until;
  }

  /** An abandoned reader may have asked for the message that the next one needs, so all share one read. */
  #readOne(): Promise<void> {
    this.#reading ??= this.#source.next().then(
      ({ done, value }) => {
        this.#reading = undefined;
        if (done) this.#ended = true;
        else this.#keep(value);
      },
      (error: unknown) => {
        this.#reading = undefined;
        throw error;
      },
    );
    return this.#reading;
  }

  #keep(message: Uint8Array): void {
    this.#kept.push(message);
    this.#bytes += message.byteLength;
    if (this.#bytes > this.#maxBytes) this.#keeping = false;
  }
}
