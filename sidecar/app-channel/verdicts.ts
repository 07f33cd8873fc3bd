import type { Log } from "../../components/contract/driver.ts";
import type { BulkTopicEvent, TopicEvent, Verdict } from "../kernel/app.ts";
import { isRecord } from "../kernel/json.ts";

/** What an HTTP app's answer to an event means. */

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;
export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

const verdicts: Readonly<Record<string, Verdict>> = { "": "success", SUCCESS: "success", RETRY: "retry", DROP: "drop" };

/** The `status` of an answer's JSON body; undefined when there is none. */
function statusIn(body: Uint8Array): unknown {
  try {
    const json: unknown = JSON.parse(textOf(body));
    return isRecord(json) ? json["status"] : undefined;
  } catch {
    return undefined;
  }
}

/** The verdict on one event. A successful answer without a readable status is success. */
export function verdictOf(status: number, body: Uint8Array, event: TopicEvent, log: Log): Verdict {
  const about = { id: event.id, topic: event.topic, pubsub: event.pubsubName, path: event.path };
  if (status === 404) {
    log.error("the app has no such route (404); the event is dropped", about);
    return "drop";
  }
  if (!isSuccess(status)) {
    log.warn(`the app answered ${status} to an event; it is tried again`, about);
    return "retry";
  }
  const said = body.byteLength === 0 ? "" : (statusIn(body) ?? "");
  const verdict = typeof said === "string" && Object.hasOwn(verdicts, said) ? verdicts[said] : undefined;
  if (verdict === "drop") log.warn("the app drops an event", about);
  if (verdict === undefined)
    log.warn(`the app answered an unknown status ${JSON.stringify(said)}; use SUCCESS, RETRY or DROP`, about);
  return verdict ?? "retry";
}

/** Verdicts by entry id; an entry that the answer leaves out is tried again. */
export function bulkVerdicts(status: number, body: Uint8Array, events: BulkTopicEvent, log: Log): Map<string, Verdict> {
  const about = { topic: events.topic, pubsub: events.pubsubName, path: events.path, entries: events.entries.length };
  const all = (verdict: Verdict) => new Map(events.entries.map(({ entryId }) => [entryId, verdict]));
  if (status === 404) {
    log.error("the app has no such route (404); the events are dropped", about);
    return all("drop");
  }
  if (!isSuccess(status)) {
    log.warn(`the app answered ${status} to a bulk of events; they are tried again`, about);
    return all("retry");
  }
  const list = statusesIn(body);
  if (!list) {
    log.warn("the app's answer to a bulk of events has no statuses; they are tried again", about);
    return all("retry");
  }
  const answered = all("retry");
  for (const { entryId, status: said } of list) {
    // Unlike a single event, an entry without a status was not handled.
    if (answered.has(entryId)) answered.set(entryId, said === "" ? "retry" : (verdicts[said] ?? "retry"));
  }
  return answered;
}

function statusesIn(body: Uint8Array): { entryId: string; status: string }[] | undefined {
  try {
    const json: unknown = JSON.parse(textOf(body));
    const list = isRecord(json) ? json["statuses"] : undefined;
    if (!Array.isArray(list)) return undefined;
    return list
      .filter(isRecord)
      .map((entry) => ({ entryId: String(entry["entryId"] ?? ""), status: String(entry["status"] ?? "") }));
  } catch {
    return undefined;
  }
}
