/** Things to close, last opened first. Every `open` registers its `close` in the same breath. */
export class Closing {
  readonly #steps: { readonly what: string; readonly close: () => Promise<void> | void }[] = [];

  /** Registers a step; returns the thing it was given, so that opening and registering are one expression. */
  add<T extends { close(): Promise<void> | void }>(what: string, thing: T): T {
    this.#steps.push({ what, close: () => thing.close() });
    return thing;
  }

  /** Registers a step without an object. */
  run(what: string, close: () => Promise<void> | void): void {
    this.#steps.push({ what, close });
  }

  /** Closes everything in reverse order. A failing step is told to `onError` and does not stop the others. Idempotent. */
  async close(onError: (what: string, error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.close();
      } catch (error) {
        onError(step.what, error);
      }
    }
  }
}
