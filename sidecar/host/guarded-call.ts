import type { Call } from "../../components/contract/driver.ts";
import type { Policy } from "../kernel/policy.ts";
import { isRefusal } from "./refusal.ts";

/** A method of an opened component, called without `this`. */
export type Method = (...args: unknown[]) => Promise<unknown>;

class Refusal {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** The method under a policy. `at` is the position of the Call among its arguments. */
export function guarded(method: Method, at: number, policy: Policy): Method {
  return async (...args) => {
    const { signal } = args[at] as Call;
    const outcome = await policy.run(
      async (own) => {
        try {
          return await method(...args.with(at, { signal: own }));
        } catch (error) {
          if (isRefusal(error)) return new Refusal(error);
          throw error;
        }
      },
      { signal },
    );
    if (outcome instanceof Refusal) throw outcome.error;
    return outcome;
  };
}
