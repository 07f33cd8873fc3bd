import { type Static, Type } from "typebox";
import { deliverySchema } from "./delivery.ts";
import { closed, namedMetadata, resourceDocument, scopes } from "./document.ts";

const shared = {
  pubsubname: Type.String({ minLength: 1, description: "Name of the pub/sub component." }),
  topic: Type.String({ minLength: 1, description: "Topic to subscribe to." }),
  metadata: Type.Record(Type.String(), Type.String(), {
    default: {},
    description: "Settings of this subscription, passed to the component.",
  }),
  deadLetterTopic: Type.Optional(
    Type.String({ description: "Topic that receives messages which could not be processed." }),
  ),
  bulkSubscribe: Type.Optional(
    Type.Object(
      {
        enabled: Type.Boolean({ default: false, description: "Whether messages reach the app in batches." }),
        maxMessagesCount: Type.Integer({ default: 100, description: "Largest number of messages in a batch." }),
        maxAwaitDurationMs: Type.Integer({
          default: 1000,
          description: "Longest wait for a batch to fill, in milliseconds.",
        }),
      },
      { ...closed, description: "Delivery of messages in batches." },
    ),
  ),
  delivery: Type.Optional(deliverySchema),
};

/** A subscription with one route. */
export const subscriptionV1Schema = resourceDocument({
  kind: "Subscription",
  version: "v1alpha1",
  description: "Delivers the messages of a topic to one path of the app.",
  metadata: namedMetadata,
  spec: Type.Object(
    { ...shared, route: Type.Optional(Type.String({ description: "Path of the app that receives the messages." })) },
    { ...closed, "x-hints": { routes: "routes need apiVersion: dapr.io/v2alpha1; v1alpha1 has one route: /path" } },
  ),
  top: { scopes },
});

export type SubscriptionV1Document = Static<typeof subscriptionV1Schema>;

/** A subscription with rules. */
export const subscriptionV2Schema = resourceDocument({
  kind: "Subscription",
  version: "v2alpha1",
  description: "Delivers the messages of a topic to a path of the app that rules choose.",
  metadata: namedMetadata,
  spec: Type.Object(
    {
      ...shared,
      routes: Type.Object(
        {
          rules: Type.Array(
            Type.Object(
              {
                match: Type.String({
                  default: "",
                  description: "CEL expression over the event; empty always matches.",
                }),
                path: Type.String({ description: "Path of the app that receives matching messages." }),
              },
              closed,
            ),
            { default: [], description: "Tried in order; the first match wins." },
          ),
          default: Type.Optional(Type.String({ description: "Path for messages that no rule matches." })),
        },
        { ...closed, default: {}, description: "Where messages go." },
      ),
    },
    { ...closed, "x-hints": { route: 'v2alpha1 writes "routes: {default: /path}"' } },
  ),
  top: { scopes },
});

export type SubscriptionV2Document = Static<typeof subscriptionV2Schema>;
