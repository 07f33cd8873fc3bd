import { isDeepStrictEqual } from "node:util";

const stepMs = 15_000;

/** Runs one step of the program and reports it as a line of JSON; a step that fails does not end the program. */
export async function step(name: string, run: () => Promise<void>): Promise<void> {
  let detail = "";
  try {
    await within(run(), `no end after ${stepMs} ms`);
  } catch (error) {
    detail = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
  }
  console.log(JSON.stringify({ step: name, ok: detail === "", detail }));
}

/** Fails unless both are deeply equal. */
export function equal(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
}

/** Fails unless it holds; `seen` is shown then. */
export function hold(holds: boolean, seen: unknown): void {
  if (!holds) throw new Error(`got ${JSON.stringify(seen)}`);
}

/**
 * Fails unless the call is refused: the SDK throws, or answers with `error`, as its HTTP client does for some calls.
 * Every one of `words` must stand in what it says.
 */
export async function refused(call: Promise<unknown>, ...words: readonly string[]): Promise<void> {
  const answer = await call.catch((error: unknown) => ({ error }));
  const error = typeof answer === "object" && answer !== null && "error" in answer ? answer.error : undefined;
  if (error === undefined) throw new Error(`it was not refused: ${JSON.stringify(answer)}`);
  const text = wordsOf(error);
  for (const word of words) hold(text.includes(word), text);
}

/** What an error says, also where the SDK wraps one in another as `{ error }`. */
function wordsOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === "object" && error !== null && "error" in error) return wordsOf(error.error);
  return JSON.stringify(error);
}

/** Messages that handlers take in and steps wait for. */
export class Inbox {
  readonly #waiting: unknown[] = [];
  readonly #takers: ((message: unknown) => void)[] = [];

  put(message: unknown): void {
    const taker = this.#takers.shift();
    if (taker) taker(message);
    else this.#waiting.push(message);
  }

  /** The next message, also one that came before. */
  async take(): Promise<unknown> {
    if (this.#waiting.length > 0) return this.#waiting.shift();
    return within(new Promise((resolve) => this.#takers.push(resolve)), "no message came");
  }
}

async function within<T>(promise: Promise<T>, why: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(why)), stepMs - 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
