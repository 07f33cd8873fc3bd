import type { Clock, Log } from "../../components/contract/driver.ts";
import { causeText } from "../../specs/errors.ts";
import type { App, BulkEntry, BulkTopicEvent, TopicEvent } from "../kernel/app.ts";
import { readBody } from "../kernel/body.ts";
import { withDeadline } from "../kernel/deadline.ts";
import type { Answer, Exchange, HeaderMap } from "../kernel/exchange.ts";
import { StatusFailure } from "../kernel/status.ts";
import { configurationChanges } from "./configuration-changes.ts";
import { parseSubscriptions } from "./subscriptions.ts";
import { bulkVerdicts, isSuccess, textOf, verdictOf } from "./verdicts.ts";

/** What the events of the sidecar need of the channel below. */
export interface EventParts {
  readonly appId: string;
  readonly bindingOptionsTimeoutMs: number;
  /** Longest answer that is read into memory. */
  readonly maxBodyBytes: number;
  /** Aborts when the channel is closed. */
  readonly closing: AbortSignal;
  readonly log: Log;
  readonly clock: Clock;
}

/** The callbacks, without what carries them. */
export type AppEvents = Omit<App, "speaksGrpc" | "grpc" | "send">;

const pathOf = (route: string): string => route.replace(/^\/+/, "");

/** Header values that HTTP can carry; broker metadata may be anything. */
const sendable = /^[\t\x20-\x7e\x80-\xff]*$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The callbacks of an app that speaks HTTP. `send` waits for a place, adds the token and knows the app's health. */
export function httpEvents(send: App["send"], parts: EventParts): AppEvents {
  const { log, clock } = parts;
  const call = async (verb: string, path: string, headers: HeaderMap, body?: Uint8Array, signal = parts.closing) => {
    const cut = path.indexOf("?");
    const [bare, query] = cut < 0 ? [path, ""] : [path.slice(0, cut), path.slice(cut + 1)];
    const exchange: Exchange = { verb, path: pathOf(bare), query, headers, body, signal };
    return whole(await send(exchange), parts.maxBodyBytes);
  };
  return {
    subscriptions: async () =>
      subscriptionsFrom(await call("GET", "dapr/subscribe", { "dapr-app-id": parts.appId }), log),
    async deliver(event) {
      const { status, body } = await call("POST", event.path, deliveryHeaders(event), event.json, event.signal);
      return verdictOf(status, body, event, log);
    },
    async deliverMany(events) {
      const json = Buffer.from(bulkBody(events));
      const { status, body } = await call(
        "POST",
        events.path,
        { "content-type": "application/json" },
        json,
        events.signal,
      );
      return bulkVerdicts(status, body, events, log);
    },
    async wantsBinding(name, route) {
      const ms = parts.bindingOptionsTimeoutMs;
      try {
        const { status } = await withDeadline(clock, `OPTIONS /${pathOf(route)}`, ms, parts.closing, (signal) =>
          call("OPTIONS", route, {}, undefined, signal),
        );
        return isSuccess(status) || status === 405;
      } catch (error) {
        log.warn(`the app did not say whether it wants the events of binding ${name}`, { cause: causeText(error) });
        return false;
      }
    },
    async bindingEvent({ name, route, data, metadata, signal }) {
      const headers = { ...metadataHeaders(metadata), "content-type": "application/json" };
      const { status, body } = await call("POST", route, headers, data, signal);
      if (!isSuccess(status))
        throw new StatusFailure({ http: status }, `the app answered ${status} to an event of binding ${name}`);
      return body.byteLength > 0 ? body : undefined;
    },
    configurationChanged: configurationChanges(send, parts.closing),
  };
}

async function whole(answer: Answer, maxBytes: number): Promise<{ status: number; body: Uint8Array }> {
  return { status: answer.status, body: await readBody(answer.body, maxBytes) };
}

function subscriptionsFrom({ status, body }: { status: number; body: Uint8Array }, log: Log) {
  if (status === 200) return parseSubscriptions(textOf(body), (why) => log.warn(why));
  if (status !== 404) log.error(`the app answered ${status} to GET /dapr/subscribe; it gets no subscriptions`);
  return [];
}

function metadataHeaders(metadata: Readonly<Record<string, string>>): HeaderMap {
  const headers: HeaderMap = {};
  for (const [name, value] of Object.entries(metadata)) {
    const key = name.toLowerCase();
    // The length is that of the broker's message, not of this body; framing is ours as well.
    if (key === "content-length" || key === "transfer-encoding" || key === "connection") continue;
    if (token.test(key) && sendable.test(value)) headers[key] = value;
  }
  return headers;
}

function deliveryHeaders(event: TopicEvent): HeaderMap {
  const headers = metadataHeaders(event.metadata);
  headers["content-type"] = "application/cloudevents+json";
  if (event.trace) {
    headers["traceparent"] = event.trace.traceparent;
    if (event.trace.tracestate) headers["tracestate"] = event.trace.tracestate;
  }
  return headers;
}

/** The body of a bulk delivery. Events are put in as they came, so that their numbers keep every digit. */
function bulkBody({ id, pubsubName, topic, metadata, entries }: BulkTopicEvent): string {
  const head = JSON.stringify({ id, type: "com.dapr.event.sent.bulk", topic, pubsubname: pubsubName, metadata });
  return `${head.slice(0, -1)},"entries":[${entries.map(bulkEntry).join(",")}]}`;
}

function bulkEntry({ entryId, event, metadata, contentType }: BulkEntry): string {
  const value = "json" in event ? textOf(event.json) : JSON.stringify(Buffer.from(event.raw).toString("base64"));
  const fallback = "json" in event ? "application/cloudevents+json" : "application/octet-stream";
  const tail = JSON.stringify({ metadata, contentType: contentType || fallback });
  return `{"entryId":${JSON.stringify(entryId)},"event":${value},${tail.slice(1)}`;
}
