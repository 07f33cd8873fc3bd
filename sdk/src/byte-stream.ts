/**
 * Bytes that arrive piece by piece; can be read once.
 *
 * @example
 * ```ts
 * import { type ByteStream, createClient } from "@mecha/sdk";
 * import { createWriteStream } from "node:fs";
 * import { pipeline } from "node:stream/promises";
 *
 * const options = { keyName: "main", keyWrapAlgorithm: "RSA" } as const;
 * const encrypted: ByteStream = createClient().crypto("vault").encrypt("a long text", options);
 * await pipeline(encrypted, createWriteStream("secret.bin")); // or: await encrypted.bytes()
 * ```
 */
export class ByteStream implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#source[Symbol.asyncIterator]();
  }

  /** Everything, in memory. */
  async bytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#source) chunks.push(chunk);
    const [only] = chunks;
    return chunks.length === 1 && only ? only : Buffer.concat(chunks);
  }

  /** Everything, as UTF-8. */
  async text(): Promise<string> {
    return toText(await this.bytes());
  }

  /** Everything, as JSON; throws a SyntaxError when it is none. */
  async json<T = unknown>(): Promise<T> {
    return JSON.parse(await this.text()) as T;
  }
}

/** Bytes as UTF-8. */
export const toText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

/** Whether a value gives bytes piece by piece. */
export const isStream = (value: unknown): value is AsyncIterable<Uint8Array> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

/** A stream of what is there already. */
export async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}
