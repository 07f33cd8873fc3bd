/** Where a text stops being JSON. Line and column are 1-based. */
export interface JsonMistake {
  readonly line: number;
  readonly column: number;
  readonly expected: string;
}

const blank = /[ \t\n\r]*/y;
const string = /"[ -!#-[\]-\u{10FFFF}]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[ -!#-[\]-\u{10FFFF}]*)*"/uy;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

class Mistake extends Error {
  readonly offset: number;

  constructor(offset: number, expected: string) {
    super(expected);
    this.offset = offset;
  }
}

/**
 * Finds the first mistake, or undefined when there is none. JSON.parse quotes the text around a mistake, which may be
 * a secret, and does not always tell the place; this tells the place and nothing of the text.
 */
export function findJsonMistake(text: string): JsonMistake | undefined {
  try {
    new Reader(text).document();
    return undefined;
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    const before = text.slice(0, error.offset).split("\n");
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, expected: error.message };
  }
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value();
    this.#skip(blank);
    if (this.#at < this.#text.length) throw new Mistake(this.#at, "the end of the file");
  }

  #value(): void {
    this.#skip(blank);
    const next = this.#text[this.#at];
    if (next === "{") this.#list("}", () => this.#member());
    else if (next === "[") this.#list("]", () => this.#value());
    else if (next === '"') this.#string("a text in double quotes that ends on its line");
    else if (!this.#skip(scalar)) throw new Mistake(this.#at, "a value");
  }

  #list(end: string, item: () => void): void {
    this.#at++;
    this.#skip(blank);
    if (this.#take(end)) return;
    for (;;) {
      item();
      this.#skip(blank);
      if (this.#take(end)) return;
      if (!this.#take(",")) throw new Mistake(this.#at, `"," or "${end}"`);
    }
  }

  #member(): void {
    this.#skip(blank);
    this.#string("a name in double quotes");
    this.#skip(blank);
    if (!this.#take(":")) throw new Mistake(this.#at, '":"');
    this.#value();
  }

  #string(expected: string): void {
    if (!this.#skip(string)) throw new Mistake(this.#at, expected);
  }

  #take(text: string): boolean {
    if (this.#text[this.#at] !== text) return false;
    this.#at++;
    return true;
  }

  /** Moves past the pattern; false when nothing stood there. */
  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    const moved = pattern.lastIndex > this.#at;
    this.#at = pattern.lastIndex;
    return moved;
  }
}
