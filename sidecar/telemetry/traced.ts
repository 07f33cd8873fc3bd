import { MechaError } from "../../specs/errors.ts";
import type { App, TopicEvent } from "../kernel/app.ts";
import type { HeaderMap } from "../kernel/exchange.ts";
import { firstHeader } from "../kernel/headers.ts";
import type { Receiver } from "../kernel/peer.ts";
import { isTraceparent, type Trace } from "../kernel/request.ts";
import { failedAnswer } from "../kernel/status.ts";
import type { OpenSpan, Tracing } from "../kernel/tracing.ts";

/** The app with a span around each event it is given, so that what it does about the event hangs below. */
export function tracedApp(app: App, tracing: Tracing): App {
  return {
    ...app,
    deliver(event) {
      const attributes = {
        "messaging.system": "pubsub",
        "messaging.destination": event.topic,
        "messaging.destination_kind": "topic",
      };
      const span = tracing.start(`pubsub/${event.topic}`, { parent: event.trace, attributes });
      return within(span, () => app.deliver(withTrace(event, span.trace)), String);
    },
    bindingEvent(event) {
      const span = tracing.start(`bindings/${event.name}`, {
        parent: traceIn(event.metadata),
        attributes: { "db.system": "bindings", "db.name": event.name },
      });
      const metadata = { ...event.metadata, ...asHeaders(span.trace) };
      return within(
        span,
        () => app.bindingEvent({ ...event, metadata }),
        () => "",
      );
    },
  };
}

/** Calls of peers, each with a span. */
export function tracedReceiver(receiver: Receiver, tracing: Tracing, appId: string): Receiver {
  return {
    receiveHttp(exchange, caller) {
      const { path, headers } = exchange;
      const span = tracing.start(`CallLocal/${appId}/${path}`, {
        parent: traceIn(headers),
        attributes: { "dapr.protocol": "http", "dapr.invoke_method": path, "net.peer.name": caller?.appId ?? "" },
      });
      const traced = { ...exchange, headers: { ...headers, ...asHeaders(span.trace) } };
      return within(
        span,
        () => receiver.receiveHttp(traced, caller),
        ({ status }) => String(status),
      );
    },
    receiveGrpc(call, caller) {
      const span = tracing.start(call.path, {
        parent: traceIn(call.metadata),
        attributes: { "dapr.protocol": "grpc", "dapr.invoke_method": call.path, "net.peer.name": caller?.appId ?? "" },
      });
      const traced = { ...call, metadata: { ...call.metadata, ...asHeaders(span.trace) } };
      try {
        const answer = receiver.receiveGrpc(traced, caller);
        void answer.status.then(({ code }) => span.end({ status: String(code), failed: code !== 0 }));
        return answer;
      } catch (error) {
        span.end({ failed: true, error });
        return failedAnswer(error);
      }
    },
  };
}

async function within<T>(span: OpenSpan, work: () => Promise<T>, statusOf: (answer: T) => string): Promise<T> {
  try {
    const answer = await work();
    const status = statusOf(answer);
    span.end(status === "" ? {} : { status });
    return answer;
  } catch (error) {
    span.end({ failed: true, error, ...(error instanceof MechaError && { status: String(error.httpStatus) }) });
    throw error;
  }
}

function traceIn(headers: HeaderMap | Readonly<Record<string, string>>): Trace | undefined {
  const traceparent = firstHeader(headers as HeaderMap, "traceparent");
  if (!isTraceparent(traceparent)) return undefined;
  return { traceparent, tracestate: firstHeader(headers as HeaderMap, "tracestate") };
}

function asHeaders({ traceparent, tracestate }: Trace): Record<string, string> {
  return { traceparent, ...(tracestate !== undefined && { tracestate }) };
}

/** The event as it is, but for its trace. Its costly parts stay unmade until they are asked for. */
function withTrace(event: TopicEvent, trace: Trace): TopicEvent {
  return {
    id: event.id,
    pubsubName: event.pubsubName,
    topic: event.topic,
    path: event.path,
    metadata: event.metadata,
    signal: event.signal,
    trace,
    get json() {
      return event.json;
    },
    get envelope() {
      return event.envelope;
    },
  };
}
