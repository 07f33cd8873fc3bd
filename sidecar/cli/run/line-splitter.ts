import { StringDecoder } from "node:string_decoder";

/** Longest line that is waited for; the rest of a longer one counts as the next. */
const longest = 64 * 1024;

/** Cuts a stream of bytes into lines. Bytes of a character that are spread over two chunks stay together. */
export class LineSplitter {
  readonly #take: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.write(Buffer.from(chunk))).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(withoutReturn(line));
    while (this.#rest.length > longest) {
      this.#take(this.#rest.slice(0, longest));
      this.#rest = this.#rest.slice(longest);
    }
  }

  /** Gives out what has no line break after it. */
  end(): void {
    const last = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (last !== "") this.#take(withoutReturn(last));
  }
}

const withoutReturn = (line: string) => (line.endsWith("\r") ? line.slice(0, -1) : line);
