/** What a content type says about the bytes it describes, as far as events care. */
export type Payload = "cloudevent" | "json" | "text" | "binary" | "other";

/** Content type of an event in structured mode. */
export const cloudEventType = "application/cloudevents+json";
/** Content type of bytes that nobody described. */
export const bytesType = "application/octet-stream";

/** Parameters and case do not count. */
export function payloadOf(contentType: string): Payload {
  // The two that nearly all messages have, before anything is cut or lowered.
  if (contentType === "application/json") return "json";
  if (contentType === cloudEventType) return "cloudevent";
  const cut = contentType.indexOf(";");
  const type = (cut < 0 ? contentType : contentType.slice(0, cut)).trim().toLowerCase();
  if (type === cloudEventType) return "cloudevent";
  if (type === "application/json" || type.endsWith("+json")) return "json";
  if (type === bytesType || type === "application/cloudevents+protobuf") return "binary";
  if (type.startsWith("text/") || type === "application/xml") return "text";
  return "other";
}
