import type { TopicEvent } from "../../sidecar/kernel/app.ts";

/** A topic event around a CloudEvent given as JSON text. */
export function topicEvent(json: string, part: Partial<TopicEvent> = {}): TopicEvent {
  return {
    id: "e1",
    pubsubName: "pubsub",
    topic: "orders",
    path: "/orders",
    json: Buffer.from(json),
    envelope: JSON.parse(json) as Record<string, unknown>,
    metadata: {},
    trace: undefined,
    ...part,
  };
}
