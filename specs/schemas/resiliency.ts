import { type Static, Type } from "typebox";
import { choice, choiceOr, closed, duration, durationOr, namedMetadata, resourceDocument, scopes } from "./document.ts";

/** The published format reads a bare number as milliseconds, here only. */
const bare = { "x-bare-unit": "ms" };

const retry = Type.Object(
  {
    policy: choiceOr(["constant", "exponential"], "How the pause between attempts develops."),
    duration: durationOr("5s", "Pause of a constant policy.", bare),
    maxInterval: durationOr("60s", "Longest pause of an exponential policy.", bare),
    maxRetries: Type.Integer({ default: -1, description: "Attempts after the first; -1 means without end." }),
    matching: Type.Optional(
      Type.Object(
        {
          httpStatusCodes: Type.Optional(
            Type.String({ description: "HTTP statuses to retry, for example 429,500-599; all when left out." }),
          ),
          gRPCStatusCodes: Type.Optional(
            Type.String({ description: "gRPC codes to retry, for example 4,8-14; all when left out." }),
          ),
        },
        { ...closed, description: "Which failures are retried." },
      ),
    ),
  },
  closed,
);

const circuitBreaker = Type.Object(
  {
    maxRequests: Type.Integer({ default: 1, minimum: 0, description: "Probes let through while half open." }),
    interval: durationOr("0s", "How often the counts of a closed breaker are cleared; 0 means never.", bare),
    timeout: durationOr("60s", "How long the breaker stays open; 0 means 60s.", bare),
    trip: Type.String({
      default: "consecutiveFailures > 5",
      description:
        "CEL condition that opens the breaker, over requests, totalSuccesses, totalFailures, consecutiveSuccesses and consecutiveFailures.",
    }),
  },
  closed,
);

const policyNames = {
  timeout: Type.Optional(Type.String({ description: "Name of a timeout policy." })),
  retry: Type.Optional(Type.String({ description: "Name of a retry policy." })),
  circuitBreaker: Type.Optional(Type.String({ description: "Name of a circuit breaker policy." })),
};

const direction = Type.Optional(Type.Object(policyNames, closed));

/** Timeouts, retries and circuit breakers, and what they apply to. */
export const resiliencySchema = resourceDocument({
  kind: "Resiliency",
  version: "v1alpha1",
  description: "Timeouts, retries and circuit breakers, and what they apply to.",
  metadata: namedMetadata,
  spec: Type.Object(
    {
      policies: Type.Object(
        {
          timeouts: Type.Record(Type.String(), duration("Longest time of one attempt.", bare), {
            default: {},
            description: "Timeouts by name.",
          }),
          retries: Type.Record(Type.String(), retry, { default: {}, description: "Retry policies by name." }),
          circuitBreakers: Type.Record(Type.String(), circuitBreaker, {
            default: {},
            description: "Circuit breakers by name.",
          }),
        },
        { ...closed, default: {}, description: "Policies that targets refer to by name." },
      ),
      targets: Type.Object(
        {
          apps: Type.Record(
            Type.String(),
            Type.Object(
              {
                ...policyNames,
                circuitBreakerCacheSize: Type.Integer({
                  default: 100,
                  description: "Breakers kept at once, one per method.",
                }),
              },
              closed,
            ),
            { default: {}, description: "Calls to other apps, by app id." },
          ),
          actors: Type.Record(
            Type.String(),
            Type.Object(
              {
                ...policyNames,
                circuitBreakerScope: Type.Optional(
                  choice(["type", "id", "both"], "What shares one breaker; required with circuitBreaker."),
                ),
                circuitBreakerCacheSize: Type.Integer({ default: 5000, description: "Breakers kept at once." }),
              },
              closed,
            ),
            { default: {}, description: "Calls to actors, by actor type." },
          ),
          components: Type.Record(Type.String(), Type.Object({ inbound: direction, outbound: direction }, closed), {
            default: {},
            description: "Work of components, by component name.",
          }),
        },
        { ...closed, default: {}, description: "What the policies apply to." },
      ),
    },
    closed,
  ),
  top: { scopes },
});

export type ResiliencyDocument = Static<typeof resiliencySchema>;
