import type { App } from "../kernel/app.ts";
import { readBody } from "../kernel/body.ts";
import { StatusFailure } from "../kernel/status.ts";

/** Tells the app of changed configuration items, one call per key with the whole update; a gRPC app hears it by OnInvoke. */
export function configurationChanges(send: App["send"], closing: AbortSignal): App["configurationChanged"] {
  return async (store, subscriptionId, items, policy) => {
    const body = Buffer.from(JSON.stringify({ id: subscriptionId, items }));
    const headers = { "content-type": "application/json" };
    const tell = async (key: string, signal = closing) => {
      const path = `configuration/${encodeURIComponent(store)}/${encodeURIComponent(key)}`;
      const answer = await send({ verb: "POST", path, query: "", headers, body, signal });
      await readBody(answer.body);
      if (answer.status === 200) return;
      throw new StatusFailure(
        { http: answer.status },
        `the app answered ${answer.status} to the change of ${key} in ${store}`,
      );
    };
    const told = Object.keys(items).map((key) =>
      policy ? policy.run((signal) => tell(key, signal), { signal: closing }) : tell(key),
    );
    // Every key is told before the first failure is spoken of.
    const failed = (await Promise.allSettled(told)).find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  };
}
