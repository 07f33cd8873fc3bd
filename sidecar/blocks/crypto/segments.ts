/** Cuts byte streams without holding more than one piece of them. */

/**
 * The same bytes in pieces of `size`, the last one shorter or equal; no bytes give one empty piece. A piece is held
 * back until it is known whether another follows.
 */
export async function* inPieces(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly piece: Uint8Array; readonly last: boolean }, void, undefined> {
  let held = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      if (filled === size) {
        yield { piece: held, last: false };
        // The piece now belongs to whoever took it.
        held = Buffer.allocUnsafe(size);
        filled = 0;
      }
      const part = chunk.subarray(at, at + size - filled);
      held.set(part, filled);
      filled += part.length;
      at += part.length;
    }
  }
  yield { piece: held.subarray(0, filled), last: true };
}

const lineFeed = 0x0a;

/** Reads lines from the start of a byte stream, and what follows them. */
export class LineReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #ahead: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next line without its line feed, or undefined when none comes within `maxBytes`. */
  async line(maxBytes: number): Promise<Buffer | undefined> {
    for (let searched = 0; ; ) {
      const end = this.#ahead.indexOf(lineFeed, searched);
      if (end >= 0 && end <= maxBytes) {
        const line = this.#ahead.subarray(0, end);
        this.#ahead = this.#ahead.subarray(end + 1);
        return line;
      }
      searched = this.#ahead.length;
      if (end >= 0 || searched > maxBytes) return undefined;
      const next = await this.#source.next();
      if (next.done) return undefined;
      this.#ahead = Buffer.concat([this.#ahead, next.value]);
    }
  }

  /** What follows the lines that were read. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (this.#ahead.length > 0) yield this.#ahead;
      for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) yield next.value;
    } finally {
      await this.close();
    }
  }

  /** Tells the source that nothing more is wanted. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
