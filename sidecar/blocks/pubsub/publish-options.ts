import { findSeconds, longestSeconds } from "../../../components/contract/seconds.ts";
import { fail } from "../../../specs/errors.ts";
import { findDurationMs } from "../../kernel/duration.ts";

/** What the metadata of a publish request asks of the sidecar itself. */
export interface PublishOptions {
  /** Whether the data goes out without an envelope. */
  readonly raw: boolean;
  readonly ttlSeconds: number | undefined;
  /** When it is to be published; undefined: at once. */
  readonly due: Due | undefined;
  /** Attributes of the envelope by name. */
  readonly chosen: Readonly<Record<string, string>> | undefined;
}

/** A time in milliseconds since 1970, or so many milliseconds from now. */
export type Due = { readonly at: number } | { readonly afterMs: number };

const plain: PublishOptions = { raw: false, ttlSeconds: undefined, due: undefined, chosen: undefined };
/** Keys that ask for a delay. */
const dueKeys = ["delay", "deliverafter", "deliverat"] as const;
const attributePrefix = "cloudevent.";

/** Reads the sidecar's own keys, in any case. Throws `pubsubMetadata`. */
export function readPublishOptions(pubsubName: string, metadata: Readonly<Record<string, string>>): PublishOptions {
  let options = plain;
  for (const name in metadata) {
    const value = metadata[name] as string;
    const key = name.toLowerCase();
    if (key === "rawpayload") options = { ...options, raw: readFlag(pubsubName, name, value) };
    else if ((dueKeys as readonly string[]).includes(key)) {
      if (value !== "") options = { ...options, due: readDue(pubsubName, name, value) };
    } else if (key === "ttlinseconds") options = { ...options, ttlSeconds: readSeconds(pubsubName, name, value) };
    else if (key.startsWith(attributePrefix)) {
      options = { ...options, chosen: { ...options.chosen, [key.slice(attributePrefix.length)]: value } };
    }
  }
  return options;
}

/** `true` or `false` in the spellings that Go reads. */
export function findFlag(value: string): boolean | undefined {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  return undefined;
}

function readFlag(pubsubName: string, key: string, value: string): boolean {
  const flag = findFlag(value);
  if (flag !== undefined) return flag;
  throw fail("pubsubMetadata", { name: pubsubName, why: `${key} must be true or false, got ${JSON.stringify(value)}` });
}

function readDue(pubsubName: string, key: string, value: string): Due {
  const bad = (must: string) =>
    fail("pubsubMetadata", { name: pubsubName, why: `${key} must be ${must}, got ${JSON.stringify(value)}` });
  if (key.toLowerCase() === "deliverat") {
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value)
      ? Date.parse(value)
      : Number.NaN;
    if (Number.isNaN(at)) throw bad('a time such as "2030-01-31T08:00:00Z"');
    return { at };
  }
  const afterMs = findDurationMs(value, "s");
  if (afterMs === undefined || afterMs < 0) throw bad('a duration such as "30s", or a number of seconds');
  return { afterMs };
}

/** The metadata without what asked for the delay. */
export function withoutDue(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(metadata).filter(([key]) => !(dueKeys as readonly string[]).includes(key.toLowerCase())),
  );
}

/** Undefined: the text is empty, as where a client has nothing to fill in. */
function readSeconds(pubsubName: string, key: string, value: string): number | undefined {
  if (value === "") return undefined;
  const seconds = findSeconds(value);
  if (seconds !== undefined && seconds > 0) return seconds;
  const why = `${key} must be a whole number of seconds over 0, at most ${longestSeconds}, got ${JSON.stringify(value)}`;
  throw fail("pubsubMetadata", { name: pubsubName, why });
}

/** The largest batch for a broker; undefined: as large as it comes. Throws `pubsubMetadata`. */
export function readMaxBatchBytes(pubsubName: string, metadata: Readonly<Record<string, string>>): number | undefined {
  for (const name in metadata) {
    if (name.toLowerCase() !== "maxbulkpubbytes") continue;
    const value = metadata[name] as string;
    if (/^\d{1,15}$/.test(value) && Number(value) > 0) return Number(value);
    const why = `${name} must be a whole number of bytes over 0, got ${JSON.stringify(value)}`;
    throw fail("pubsubMetadata", { name: pubsubName, why });
  }
  return undefined;
}
