import { fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";

/** Runs a request about topics, queues or subscriptions within assetsManagementTimeoutSeconds. */
export async function managed<T>(ms: number, call: Call, work: (call: Call) => Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(ms);
  try {
    return await work({ signal: call.signal ? AbortSignal.any([call.signal, late]) : late });
  } catch (error) {
    if (call.signal?.aborted || !late.aborted) throw error;
    const what = "a request about a topic, queue or subscription (see assetsManagementTimeoutSeconds)";
    throw fail("deadlineExceeded", { what, ms }, { cause: error });
  }
}
