import { randomUUID } from "node:crypto";
import type { Clock } from "../../../components/contract/driver.ts";
import { payloadOf } from "../../kernel/content-type.ts";
import { isRecord } from "../../kernel/json.ts";
import type { Trace } from "../../kernel/request.ts";
import { base64Of, membersOf, textOf, tryJson } from "./json-text.ts";

/** Where an event goes and what is known about it beside its data. */
export interface EventAbout {
  readonly pubsubName: string;
  readonly topic: string;
  readonly trace: Trace;
  /** Attributes that the caller chose (`cloudevent.id`, ...), by attribute name. */
  readonly chosen?: Readonly<Record<string, string>> | undefined;
  /** RFC 3339; undefined: the event does not end, or its broker sees to that. */
  readonly expiration?: string | undefined;
}

const specVersion = '"1.0"';
const defaultType = "com.dapr.event.sent";
const defaultSource = "Dapr";

/** Writes CloudEvents 1.0 envelopes in the structured JSON form. Data that is JSON is spliced in as it came. */
export class EventWriter {
  readonly #source: string;
  readonly #clock: Clock;
  #second = Number.NaN;
  #time = "";

  constructor(source: string, clock: Clock) {
    this.#source = source || defaultSource;
    this.#clock = clock;
  }

  /** The event for `data`. Throws an Error when the content type says CloudEvent and the data is none. */
  write(data: Uint8Array, contentType: string, about: EventAbout): Uint8Array {
    const payload = payloadOf(contentType);
    const text =
      payload === "cloudevent"
        ? this.#completed(textOf(data), about)
        : this.#wrapped(dataMember(data, payload === "json", payload === "binary"), contentType, about);
    return Buffer.from(text);
  }

  #wrapped(data: string, contentType: string, about: EventAbout): string {
    const { chosen, expiration, trace } = about;
    const traceparent = chosen?.["traceparent"] ?? trace.traceparent;
    const subject = chosen?.["subject"];
    return `{"id":${JSON.stringify(chosen?.["id"] ?? randomUUID())},"source":${JSON.stringify(
      chosen?.["source"] ?? this.#source,
    )},"specversion":${specVersion},"type":${JSON.stringify(
      chosen?.["type"] ?? defaultType,
    )},"datacontenttype":${JSON.stringify(contentType)},"topic":${JSON.stringify(
      about.topic,
    )},"pubsubname":${JSON.stringify(about.pubsubName)},"traceid":${JSON.stringify(
      chosen?.["traceid"] ?? traceparent,
    )},"traceparent":${JSON.stringify(traceparent)},"tracestate":${JSON.stringify(
      chosen?.["tracestate"] ?? trace.tracestate ?? "",
    )},"time":"${this.#now()}"${subject === undefined ? "" : `,"subject":${JSON.stringify(subject)}`}${
      expiration === undefined ? "" : `,"expiration":"${expiration}"`
    },${data}}`;
  }

  /** The caller's own event: its members stay as they are, those that the sidecar answers for are set. */
  #completed(text: string, about: EventAbout): string {
    const json = tryJson(text);
    if (!json) throw new Error("the body is not JSON, as its content type says");
    if (!isRecord(json.value)) throw new Error("the body is JSON, but a CloudEvent is a JSON object");
    const event = json.value;
    const set: Record<string, string> = { topic: about.topic, pubsubname: about.pubsubName };
    if (about.expiration !== undefined) set["expiration"] = about.expiration;
    if (!("traceid" in event)) {
      set["traceid"] = about.trace.traceparent;
      set["traceparent"] = about.trace.traceparent;
    }
    if (!("tracestate" in event)) set["tracestate"] = about.trace.tracestate ?? "";
    if (!("time" in event)) set["time"] = this.#now();
    if (!("source" in event)) set["source"] = defaultSource;
    if (!("type" in event)) set["type"] = defaultType;
    if (!("specversion" in event)) set["specversion"] = "1.0";
    const parts = membersOf(text).flatMap((member) => (Object.hasOwn(set, member.key) ? [] : [member.text]));
    for (const [key, value] of Object.entries(set)) parts.push(`"${key}":${JSON.stringify(value)}`);
    return `{${parts.join(",")}}`;
  }

  #now(): string {
    const ms = this.#clock.now();
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#time = rfc3339(new Date(second * 1000));
    }
    return this.#time;
  }
}

/** `data` or `data_base64` with its value. */
export function dataMember(data: Uint8Array, json: boolean, binary: boolean): string {
  if (binary) return `"data_base64":"${base64Of(data)}"`;
  const text = textOf(data);
  return `"data":${json && tryJson(text) ? text : JSON.stringify(text)}`;
}

/** The event that stands for a message which was published without an envelope. */
export function rawEvent(
  data: Uint8Array,
  about: Omit<EventAbout, "trace">,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const traces = ["traceid", "traceparent", "tracestate"].map((key) => {
    const value = metadata[key];
    return value ? `,"${key}":${JSON.stringify(value)}` : "";
  });
  return Buffer.from(
    `{"id":"${randomUUID()}","specversion":${specVersion},"datacontenttype":"application/octet-stream","source":"${defaultSource}","type":"${defaultType}","topic":${JSON.stringify(
      about.topic,
    )},"pubsubname":${JSON.stringify(about.pubsubName)}${traces.join("")},"data_base64":"${base64Of(data)}"}`,
  );
}

/** The time in its local zone, to the second. */
function rfc3339(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  if (minutes === 0) return `${local}Z`;
  const two = (n: number) => String(Math.trunc(n)).padStart(2, "0");
  return `${local}${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
}
