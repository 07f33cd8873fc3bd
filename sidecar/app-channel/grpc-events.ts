import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { type Metadata, status } from "@grpc/grpc-js";
import { causeText } from "../../specs/errors.ts";
import {
  AppCallback,
  AppCallbackAlpha,
  BindingEventResponse_BindingEventConcurrency as Concurrency,
  TopicEventResponse_TopicEventResponseStatus as Said,
} from "../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import type { App, BulkTopicEvent, TopicEvent, Verdict } from "../kernel/app.ts";
import type { Subscription } from "../kernel/config-types.ts";
import { withDeadline } from "../kernel/deadline.ts";
import { StatusFailure } from "../kernel/status.ts";
import { eventFields, topicEventRequest } from "../kernel/topic-event.ts";
import { configurationChanges } from "./configuration-changes.ts";
import type { Gate } from "./gate.ts";
import type { GrpcClient, UnaryAnswer } from "./grpc-client.ts";
import { addTrace, toMetadata } from "./grpc-metadata.ts";
import type { AppEvents, EventParts } from "./http-events.ts";
import { fromTopicSubscription } from "./subscriptions.ts";

const discoveryTimeoutMs = 3000;

/** How the callbacks reach the app. */
interface Line extends EventParts {
  /** Calls a method while it holds a place and the app is healthy. */
  ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    metadata: Metadata,
    signal: AbortSignal,
  ): Promise<UnaryAnswer<O>>;
  /** The app's token and what is given besides. */
  metadata(extra?: Readonly<Record<string, string>>): Metadata;
}

/** The callbacks of an app that speaks gRPC. `send` is the app's OnInvoke. */
export function grpcEvents(
  client: GrpcClient,
  gate: Gate,
  send: App["send"],
  token: string | undefined,
  parts: EventParts,
): AppEvents {
  const line: Line = {
    ...parts,
    ask: (method, input, metadata, signal) => gate.during(signal, () => client.unary(method, input, metadata, signal)),
    metadata(extra = {}) {
      const made = toMetadata(
        Object.fromEntries(Object.entries(extra).map(([name, value]) => [name.toLowerCase(), value])),
      );
      if (token !== undefined) made.set("dapr-api-token", token);
      return made;
    },
  };
  return {
    subscriptions: () => subscriptions(line),
    deliver: (event) => deliver(line, event),
    deliverMany: bulkDelivery(line),
    wantsBinding: (name) => wantsBinding(line, name),
    async bindingEvent({ name, data, metadata, signal = parts.closing, forward }) {
      const event = { name, data, metadata: { ...metadata } };
      const { message } = await line.ask(AppCallback.method.onBindingEvent, event, line.metadata(metadata), signal);
      const { to, concurrency, data: answer } = message;
      if (to.length > 0) await forward?.({ to, data: answer, parallel: concurrency === Concurrency.PARALLEL });
      return answer.byteLength > 0 ? answer : undefined;
    },
    configurationChanged: configurationChanges(send, parts.closing),
  };
}

async function subscriptions(line: Line): Promise<readonly Subscription[]> {
  const metadata = line.metadata({ "dapr-app-id": line.appId });
  const answer = await offered(line.ask(AppCallback.method.listTopicSubscriptions, {}, metadata, line.closing));
  return answer?.message.subscriptions.map(fromTopicSubscription) ?? [];
}

async function deliver(line: Line, event: TopicEvent): Promise<Verdict> {
  const about = { id: event.id, topic: event.topic, pubsub: event.pubsubName, path: event.path };
  const metadata = line.metadata(event.metadata);
  if (event.trace) addTrace(metadata, event.trace);
  try {
    const { message } = await line.ask(
      AppCallback.method.onTopicEvent,
      topicEventRequest(event),
      metadata,
      event.signal ?? line.closing,
    );
    if (message.status === Said.DROP) line.log.warn("the app drops an event", about);
    return verdictOf(message.status);
  } catch (error) {
    return refused(line, "OnTopicEvent", error, about);
  }
}

function bulkDelivery(line: Line): App["deliverMany"] {
  // Which of the two names the app knows is found out once.
  let alphaOnly = false;
  const stable = AppCallback.method.onBulkTopicEvent;
  const alpha = AppCallbackAlpha.method.onBulkTopicEventAlpha1;
  return async (events) => {
    const { topic, pubsubName: pubsub, path, entries, signal = line.closing } = events;
    const request = bulkEvent(events);
    const ask = (method: typeof stable | typeof alpha) =>
      line.ask(method, request, line.metadata(events.metadata), signal);
    const all = (verdict: Verdict) => new Map(entries.map(({ entryId }) => [entryId, verdict]));
    try {
      const answer = alphaOnly ? undefined : await offered(ask(stable));
      const { message } = answer ?? (await ask(alpha));
      alphaOnly = answer === undefined;
      const verdicts = all("retry");
      for (const { entryId, status: said } of message.statuses) {
        if (verdicts.has(entryId)) verdicts.set(entryId, verdictOf(said));
      }
      return verdicts;
    } catch (error) {
      return all(refused(line, "OnBulkTopicEvent", error, { topic, pubsub, path, entries: entries.length }));
    }
  };
}

async function wantsBinding(line: Line, name: string): Promise<boolean> {
  try {
    const answer = await withDeadline(line.clock, "ListInputBindings", discoveryTimeoutMs, line.closing, (signal) =>
      offered(line.ask(AppCallback.method.listInputBindings, {}, line.metadata(), signal)),
    );
    return answer?.message.bindings.includes(name) ?? false;
  } catch (error) {
    line.log.warn(`the app did not say whether it wants the events of binding ${name}`, { cause: causeText(error) });
    return false;
  }
}

/** Undefined when the app does not implement the method. */
async function offered<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof StatusFailure && error.grpcCode === status.UNIMPLEMENTED) return undefined;
    throw error;
  }
}

/** The verdict that a refusal stands for; rethrows what is not the app's own refusal. */
function refused(line: Line, method: string, error: unknown, about: Readonly<Record<string, unknown>>): Verdict {
  if (!(error instanceof StatusFailure)) throw error;
  if (error.grpcCode === status.UNIMPLEMENTED) {
    line.log.error(`the app does not implement ${method}; what it was sent is dropped`, about);
    return "drop";
  }
  line.log.warn(`the app answered ${method} with an error; it is tried again`, { ...about, cause: error.message });
  return "retry";
}

function verdictOf(said: Said): Verdict {
  if (said === Said.SUCCESS) return "success";
  return said === Said.DROP ? "drop" : "retry";
}

function bulkEvent({ id, pubsubName, topic, path, entries, metadata }: BulkTopicEvent) {
  return {
    id,
    topic,
    pubsubName,
    path,
    type: "com.dapr.event.sent.bulk",
    metadata: { ...metadata },
    entries: entries.map(({ entryId, event, contentType, metadata: own }) => ({
      entryId,
      contentType,
      metadata: { ...own },
      event:
        "raw" in event
          ? { case: "bytes" as const, value: event.raw }
          : { case: "cloudEvent" as const, value: eventFields(event.envelope) },
    })),
  };
}
