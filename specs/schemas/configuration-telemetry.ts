import { Type } from "typebox";
import { choice, closed, duration, durationOr, texts } from "./document.ts";
import { nameValueSchema } from "./name-value.ts";

/** Upper bounds of the latency histograms, in milliseconds. */
const latencyBucketsMs = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000,
  2000, 5000, 10_000, 20_000, 50_000, 100_000,
];

/** `spec.tracing` of a Configuration. */
export const tracing = Type.Object(
  {
    samplingRate: Type.String({
      default: "",
      description: "Share of requests that are traced, from 0 (off) to 1 (all); 0.0001 when left out.",
    }),
    stdout: Type.Boolean({ default: false, description: "Whether spans are also written to the log." }),
    zipkin: Type.Optional(
      Type.Object(
        { endpointAddress: Type.String({ default: "", description: "URL that Zipkin spans are posted to." }) },
        closed,
      ),
    ),
    otel: Type.Optional(
      Type.Object(
        {
          endpointAddress: Type.String({ default: "", description: "host:port of the OTLP collector." }),
          protocol: Type.Optional(choice(["grpc", "http"], "How the collector is spoken to.")),
          isSecure: Type.Boolean({ default: true, description: "Whether the connection uses TLS." }),
          headers: Type.Array(Type.Union([Type.String(), nameValueSchema]), {
            default: [],
            description: "Headers for the collector, as name=value or as named values.",
          }),
          timeout: Type.Optional(duration("Longest time of one export.")),
        },
        closed,
      ),
    ),
  },
  { ...closed, default: {}, description: "Distributed tracing." },
);

/** `spec.metrics` (and its other name `spec.metric`) of a Configuration. */
export const metrics = Type.Object(
  {
    enabled: Type.Boolean({ default: true, description: "Whether metrics are collected." }),
    recordErrorCodes: Type.Boolean({ default: false, description: "Whether errors are counted by their code." }),
    http: Type.Object(
      {
        increasedCardinality: Type.Boolean({ default: true, description: "Whether labels hold method and path." }),
        pathMatching: texts("Path templates such as /orders/{id} that paths are labelled by."),
        excludeVerbs: Type.Boolean({ default: false, description: "Whether labels leave out the HTTP verb." }),
      },
      { ...closed, default: {}, description: "Labels of HTTP metrics." },
    ),
    rules: Type.Array(
      Type.Object(
        {
          name: Type.String({ minLength: 1, description: "Name of the metric." }),
          labels: Type.Array(
            Type.Object(
              {
                name: Type.String({ minLength: 1, description: "Name of the label." }),
                regex: Type.Record(Type.String(), Type.String(), {
                  default: {},
                  description: "Pattern by the text that replaces what it matches.",
                }),
              },
              closed,
            ),
            { default: [] },
          ),
        },
        closed,
      ),
      { default: [], description: "Rewriting of label values." },
    ),
    latencyDistributionBuckets: Type.Array(Type.Integer({ minimum: 0 }), {
      default: latencyBucketsMs,
      description: "Upper bounds of latency histograms, in milliseconds.",
    }),
    workflow: Type.Optional(
      Type.Object(
        {
          latencyDistributionBuckets: Type.Array(Type.Integer({ minimum: 0 }), {
            default: [],
            description: "Upper bounds for workflows; those of all latencies when left out.",
          }),
          latencyDistributionUnits: durationOr("1ms", "Unit of those bounds."),
        },
        { ...closed, description: "Histograms of workflows." },
      ),
    ),
  },
  { ...closed, default: {}, description: "Prometheus metrics." },
);
