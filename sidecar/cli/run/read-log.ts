import { open, stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { LineSplitter } from "./line-splitter.ts";

const pollMs = 150;

/** Reads a growing file from its start. */
export class LogTail {
  readonly #path: string;
  #at = 0;
  readonly #lines: string[] = [];
  readonly #splitter = new LineSplitter((line) => this.#lines.push(line));

  constructor(path: string) {
    this.#path = path;
  }

  /** The whole lines that came since the last call. A file that became shorter was begun anew. */
  async read(): Promise<string[]> {
    const { size } = await stat(this.#path).catch(() => ({ size: 0 }));
    if (size < this.#at) this.#at = 0;
    if (size > this.#at) {
      const file = await open(this.#path);
      try {
        const buffer = Buffer.alloc(size - this.#at);
        const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#at);
        this.#at += bytesRead;
        this.#splitter.push(buffer.subarray(0, bytesRead));
      } finally {
        await file.close();
      }
    }
    return this.#lines.splice(0);
  }
}

/** Lines as they come, until nothing is left of a run that has ended. */
export async function* followLines(tail: LogTail, isRunning: () => Promise<boolean>): AsyncGenerator<string> {
  for (;;) {
    // Asked first: what the run wrote at its end is read after it.
    const running = await isRunning();
    yield* await tail.read();
    if (!running) return;
    await pause(pollMs);
  }
}
