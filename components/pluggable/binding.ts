import { causeText, fail } from "../../specs/errors.ts";
import {
  InputBinding,
  OutputBinding,
  type ReadResponse,
} from "../../specs/gen/dapr/proto/components/v1/bindings_pb.js";
import type { Binding, BindingCapabilities, BindingHandler } from "../contract/bindings.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { Link } from "./link.ts";
import { openProcess, type Pairs, ping } from "./process.ts";
import { Pull } from "./pull.ts";

/** Events in the app at once; the process keeps the others. */
const concurrency = 100;

/** Opens a binding in a process of its own, in the directions it offers. */
export async function openBinding(type: string, path: string, pairs: Pairs, context: OpenContext): Promise<Binding> {
  const wanted = [
    { service: InputBinding, init: InputBinding.method.init },
    { service: OutputBinding, init: OutputBinding.method.init },
  ];
  const { link, has } = await openProcess({ type, path, pairs, wanted, context });
  try {
    const reading = new Set<Subscription>();
    const [isInput, isOutput] = [has(InputBinding), has(OutputBinding)];
    return {
      capabilities: [...(isInput ? ["input"] : []), ...(isOutput ? ["output"] : [])],
      ...(isInput ? { read: (handler, call) => read(link, reading, handler, call, context) } : {}),
      ...(isOutput ? await outputOf(link, context) : {}),
      async ping(call) {
        if (isInput) await ping(link, InputBinding.method.ping, call);
        if (isOutput) await ping(link, OutputBinding.method.ping, call);
      },
      async close() {
        await Promise.all([...reading].map((subscription) => subscription.close()));
        await link.close();
      },
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function outputOf(link: Link, opening: Call): Promise<BindingCapabilities["output"]> {
  const { operations } = await link.call(OutputBinding.method.listOperations, {}, opening, { again: true });
  return {
    operations,
    async invoke({ operation, data, metadata }, call) {
      if (!operations.includes(operation)) {
        throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
      }
      const request = { operation, data, metadata: { ...metadata } };
      const answer = await link.call(OutputBinding.method.invoke, request, call);
      return { data: answer.data, metadata: answer.metadata };
    },
  };
}

async function read(
  link: Link,
  reading: Set<Subscription>,
  handler: BindingHandler,
  call: Call,
  context: OpenContext,
): Promise<Subscription> {
  const handle = async ({ messageId, data, metadata, contentType }: ReadResponse) => {
    const about = contentType === "" || "contentType" in metadata ? metadata : { ...metadata, contentType };
    try {
      const answer = await handler({ data, metadata: about });
      return { messageId, responseData: answer ?? new Uint8Array(0) };
    } catch (error) {
      return { messageId, responseError: { message: causeText(error) } };
    }
  };
  const pull = new Pull(link, {
    method: InputBinding.method.read,
    what: "events",
    concurrency,
    handle,
    ping: (signal) => ping(link, InputBinding.method.ping, { signal }),
    context,
  });
  await pull.start(call);
  const subscription: Subscription = { close: () => pull.close().finally(() => reading.delete(subscription)) };
  reading.add(subscription);
  return subscription;
}
