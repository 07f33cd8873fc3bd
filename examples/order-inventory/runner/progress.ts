/** Shows how far a run is: one line that is written over on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #line: () => string;
  readonly #quiet: boolean;
  #shown = "";

  constructor(line: () => string, { quiet, out = process.stdout }: { quiet: boolean; out?: NodeJS.WriteStream }) {
    this.#out = out;
    this.#line = line;
    this.#quiet = quiet;
    if (!quiet) this.#timer = setInterval(() => this.#show(), out.isTTY ? 100 : 1000);
  }

  #show(): void {
    const line = this.#line();
    if (line === this.#shown) return;
    this.#shown = line;
    // \r goes to the start of the line, \x1b[K clears what is left of a longer one
    this.#out.write(this.#out.isTTY ? `\r${line.slice(0, (this.#out.columns || 80) - 1)}\x1b[K` : `${line}\n`);
  }

  /** Shows the last state, and leaves the line. Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    if (this.#quiet) return;
    this.#show();
    if (this.#out.isTTY && this.#shown !== "") this.#out.write("\n");
    this.#shown = "";
  }
}
