import { close, fdatasync, openSync } from "node:fs";

/**
 * Waits until the write-ahead log is on the disk, off the event loop. SQLite's own synchronous=FULL would do the same
 * inside COMMIT and hold up every request meanwhile. A log is replayed up to the first damaged frame, so whatever a
 * commit builds on is on the disk before it. Commits that end while one wait goes on share the next.
 */
export class Disk {
  readonly #path: string;
  #descriptor: number | undefined;
  #waiting: ((error: Error | null) => void)[] = [];
  #syncing = false;
  #idle: (() => void)[] = [];

  /** @param path the database; its log lies beside it */
  constructor(path: string) {
    this.#path = `${path}-wal`;
  }

  /** Calls `settle` when all that is committed now is on the disk. */
  afterSync(settle: (error: Error | null) => void): void {
    this.#waiting.push(settle);
    if (!this.#syncing) this.#sync();
  }

  #sync(): void {
    const settling = this.#waiting;
    this.#waiting = [];
    const done = (error: Error | null) => {
      this.#syncing = false;
      // The next wait starts before those who waited go on, so that the disk is never idle for their sake.
      if (this.#waiting.length > 0) this.#sync();
      for (const settle of settling) settle(error);
      if (!this.#syncing) for (const idle of this.#idle.splice(0)) idle();
    };
    this.#syncing = true;
    try {
      this.#descriptor ??= openSync(this.#path, "r+");
    } catch (error) {
      done(error as Error);
      return;
    }
    fdatasync(this.#descriptor, done);
  }

  /** Settles when nothing waits any more. */
  async close(): Promise<void> {
    if (this.#syncing) await new Promise<void>((resolve) => this.#idle.push(resolve));
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) await new Promise<void>((resolve) => close(descriptor, () => resolve()));
  }
}
