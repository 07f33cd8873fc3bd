import { createWriteStream, mkdirSync, openSync, renameSync, type WriteStream } from "node:fs";
import { dirname } from "node:path";
import { causeText } from "../../../specs/errors.ts";
import { CliError } from "../failure.ts";

/** At this size a log is put aside as `<name>.1`, so that a long run does not fill the disk. */
const largestBytes = 16 * 1024 * 1024;

/** A file that lines are added to. A disk that is full costs lines, not the run. */
export class LogFile {
  readonly path: string;
  readonly #largest: number;
  #stream: WriteStream;
  #bytes = 0;

  /** Begins the file anew. Throws a CliError when it cannot be made. */
  constructor(path: string, largest: number = largestBytes) {
    this.path = path;
    this.#largest = largest;
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#stream = open(path);
    } catch (cause) {
      const hint = "make its folder writable, or set MECHA_HOME to one that is";
      throw new CliError(`the log ${path} cannot be written: ${causeText(cause)}`, { hint, cause });
    }
  }

  write(line: string): void {
    const text = `${line}\n`;
    this.#stream.write(text);
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes >= this.#largest) this.#putAside();
  }

  /** Settles when all lines are in the file. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(() => resolve()));
  }

  #putAside(): void {
    // What is still on its way follows the open file, not the name.
    this.#stream.end();
    renameSync(this.path, `${this.path}.1`);
    this.#bytes = 0;
    this.#stream = open(this.path);
  }
}

function open(path: string): WriteStream {
  return createWriteStream(path, { fd: openSync(path, "w") }).on("error", () => {});
}
