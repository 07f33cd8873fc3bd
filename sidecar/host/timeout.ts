import type { Clock } from "../../components/contract/driver.ts";
import { fail, type MechaError } from "../../specs/errors.ts";
import type { Attempt } from "../kernel/policy.ts";

/** A timeout policy at its target. */
export interface Timeout {
  readonly ms: number;
  /** What it limits, for the error: `component orders`. */
  readonly target: string;
  readonly clock: Clock;
}

/**
 * Makes one attempt. Once the time has passed, aborts its signal and rejects with `deadlineExceeded`, whether the attempt
 * looks at its signal or not; `onLate` hears of it. When `parent` aborts, so does the signal, and what the attempt then
 * does is the outcome.
 */
export function attemptWithin<T>(
  { ms, target, clock }: Timeout,
  attempt: Attempt<T>,
  count: number,
  parent: AbortSignal | undefined,
  onLate: (() => void) | undefined,
): Promise<T> {
  // By hand instead of Promise.race and an async function: this stands in the path of every call of a target.
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const forward = () => controller.abort(parent?.reason);
    const end = () => {
      cancel();
      parent?.removeEventListener("abort", forward);
    };
    const cancel = clock.after(ms, () => {
      end();
      const late: MechaError = fail("deadlineExceeded", { what: target, ms });
      reject(late);
      onLate?.();
      controller.abort(late);
    });
    parent?.addEventListener("abort", forward);
    const failed = (error: unknown) => {
      end();
      reject(error);
    };
    try {
      attempt(controller.signal, count).then((value) => {
        end();
        resolve(value);
      }, failed);
    } catch (error) {
      failed(error);
    }
  });
}
