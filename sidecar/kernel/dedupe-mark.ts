import { fail } from "../../specs/errors.ts";

/** What says that a message has been handled: a key of a state store, written together with the effect or after it. */
export interface DedupeMark {
  /** Name of the state store. */
  readonly store: string;
  readonly key: string;
  readonly ttlSeconds: number;
}

/** Header, or gRPC metadata, of a delivery, and key of a transaction's metadata that writes the mark. */
export const markName = "mecha-dedupe-mark";

/** First part of the keys of everything that the sidecar keeps for deliveries. */
const deliveryKeys = "mecha-delivery";
const separator = "||";

/** First part of the keys of one app; no app's own key begins like this. */
export const deliveryPrefix = (appId: string): string => `${deliveryKeys}${separator}${appId}${separator}`;

export function writeMark({ store, key, ttlSeconds }: DedupeMark): string {
  return Buffer.from(JSON.stringify([store, key, ttlSeconds])).toString("base64url");
}

/** Throws `requestMetadataInvalid` unless it is a mark of this app for this store. */
export function readMark(text: string, store: string, appId: string): DedupeMark {
  const bad = (why: string) => fail("requestMetadataInvalid", { key: markName, why });
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    parts = undefined;
  }
  const [named, key, ttlSeconds] = Array.isArray(parts) ? (parts as unknown[]) : [];
  if (typeof named !== "string" || typeof key !== "string" || typeof ttlSeconds !== "number") {
    throw bad("is not what a delivery carried; pass the header on as it came");
  }
  if (!key.startsWith(`${deliveryPrefix(appId)}handled${separator}`)) throw bad("belongs to another app");
  if (named !== store) throw bad(`belongs to state store ${named}; write the effect there`);
  return { store, key, ttlSeconds };
}
