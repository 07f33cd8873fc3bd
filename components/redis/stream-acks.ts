import type { Stream } from "./stream.ts";

/** Acknowledges entries, those of one turn and those that end meanwhile together, until the server has them. */
export class StreamAcks {
  readonly #stream: Stream;
  readonly #onDone: (ids: readonly string[]) => void;
  readonly #onFailure: (error: unknown, again: () => void) => void;
  #waiting: string[] = [];
  #isSending = false;

  /**
   * @param onDone the server has them
   * @param onFailure decides when to try `again`
   */
  constructor(
    stream: Stream,
    onDone: (ids: readonly string[]) => void,
    onFailure: (error: unknown, again: () => void) => void,
  ) {
    this.#stream = stream;
    this.#onDone = onDone;
    this.#onFailure = onFailure;
  }

  add(id: string): void {
    this.#waiting.push(id);
    if (this.#isSending) return;
    this.#isSending = true;
    // Others that end in this turn go along.
    process.nextTick(() => this.#send());
  }

  /** Those the server does not have yet; they are not tried again. */
  giveUp(): readonly string[] {
    return this.#waiting.splice(0);
  }

  #send(): void {
    const ids = this.#waiting;
    if (ids.length === 0) {
      this.#isSending = false;
      return;
    }
    this.#waiting = [];
    this.#stream.acknowledge(ids).then(
      () => {
        this.#onDone(ids);
        this.#send();
      },
      (error: unknown) => {
        this.#waiting.unshift(...ids);
        this.#onFailure(error, () => this.#send());
      },
    );
  }
}
