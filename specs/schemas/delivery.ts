import { Type } from "typebox";
import { choice, choiceOr, closed, durationOr } from "./document.ts";

/**
 * How the messages of a subscription reach the app, on every broker alike. Subscriptions that an app declares itself
 * write the same as metadata, the path of a setting in one word: `retryMaxAttempts` is `retry.maxAttempts`.
 */
export const deliverySchema = Type.Object(
  {
    concurrency: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 999_999, description: "Messages with the app at once; default: 100." }),
    ),
    order: Type.Optional(
      choice(
        ["none", "key", "topic"],
        "Which messages may not overtake each other: none, those of one partitionKey, or all of the topic; default: none.",
      ),
    ),
    prefetch: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 999_999,
        description:
          "Messages that the sidecar holds, those with the app included; default: concurrency, and more with order or retry.",
      }),
    ),
    retry: Type.Optional(
      Type.Object(
        {
          backOff: choiceOr(["exponential", "constant"], "How the pause between attempts develops."),
          interval: durationOr("1s", "First pause, or the only one."),
          maxInterval: durationOr("60s", "Longest pause."),
          maxAttempts: Type.Optional(
            Type.Integer({
              minimum: 1,
              description:
                "Then the message goes to the dead letter topic, or is parked when there is none; default: without end.",
            }),
          ),
        },
        {
          ...closed,
          description:
            "Attempts of the sidecar, in place of the retry of a Resiliency resource. Others go on meanwhile.",
        },
      ),
    ),
    dedupe: Type.Optional(
      Type.Object(
        {
          key: Type.String({
            default: "id",
            minLength: 1,
            description: "Attribute of the event, or of the broker's metadata, that is the same in duplicates.",
          }),
          ttl: durationOr("24h", "How long a handled message is remembered."),
        },
        { ...closed, description: "A message that the app has handled is not delivered again." },
      ),
    ),
    paused: Type.Optional(
      Type.Boolean({ description: "Whether it starts paused, until the API resumes it; default: false." }),
    ),
  },
  { ...closed, description: "How messages reach the app, whatever the broker." },
);
