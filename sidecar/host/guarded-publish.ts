import type { Call } from "../../components/contract/driver.ts";
import type { FailedMessage, OutgoingMessage } from "../../components/contract/pubsub.ts";
import type { Policy } from "../kernel/policy.ts";
import { isRefusal } from "./refusal.ts";

type PublishMany = (messages: readonly OutgoingMessage[], call: Call) => Promise<readonly FailedMessage[]>;

/**
 * Publishing in bulk under a policy. An attempt that leaves messages behind has failed, and the next one takes only
 * those; what is left in the end is the answer. Rejects when no attempt got an answer.
 */
export function guardedPublishMany(publishMany: PublishMany, policy: Policy): PublishMany {
  return async (messages, { signal }) => {
    const refused: FailedMessage[] = [];
    let left: readonly FailedMessage[] = [];
    let waiting: readonly number[] = [...messages.keys()];
    const attempt = async (own: AbortSignal | undefined) => {
      const sent = waiting;
      const batch = sent.map((index) => messages[index] as OutgoingMessage);
      const failed = await publishMany(batch, { signal: own });
      // The next attempt may be under way, with the same messages; this one has been counted as failed.
      if (own?.aborted) throw own.reason;
      const inPlace = failed.map(({ index, cause }) => ({ index: sent[index] as number, cause }));
      refused.push(...inPlace.filter(({ cause }) => isRefusal(cause)));
      left = inPlace.filter(({ cause }) => !isRefusal(cause));
      waiting = left.map(({ index }) => index);
      if (left[0]) throw left[0].cause;
    };
    try {
      await policy.run(attempt, { signal });
    } catch (error) {
      if (left.length === 0) throw error;
    }
    return [...refused, ...left];
  };
}
