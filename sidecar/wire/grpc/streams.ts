import type { Readable, Writable } from "node:stream";
import { fail } from "../../../specs/errors.ts";

/**
 * The messages of a call as they arrive, each converted when it is asked for. Leaving the loop early does not end the
 * call, unlike a stream's own iterator, which would destroy the side that the answer is written to.
 */
export async function* messagesOf<T, M = T>(
  call: Readable,
  convert: (message: M) => T = (message) => message as unknown as T,
): AsyncGenerator<T> {
  const queue: M[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake = () => {};
  const notify = () => wake();
  call.on("data", (message: M) => {
    queue.push(message);
    call.pause();
    notify();
  });
  call.once("end", () => {
    ended = true;
    notify();
  });
  const breakOff = (error?: Error) => {
    failure ??= error ?? fail("canceled", { what: "the call" });
    notify();
  };
  call.once("error", breakOff);
  if ((call as { cancelled?: boolean }).cancelled) breakOff();
  call.once("cancelled", () => breakOff());
  for (;;) {
    const next = queue.shift();
    if (next !== undefined) {
      if (queue.length === 0) call.resume();
      yield convert(next);
    } else if (failure) throw failure;
    else if (ended) return;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}

/** Writes one message and waits while the caller reads slowly; false once the call is gone. */
export async function writeMessage(call: Writable, message: unknown, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  if (call.write(message)) return true;
  await new Promise<void>((resolve) => {
    const done = () => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
  return !signal.aborted;
}
