import { type Static, Type } from "typebox";
import { accessControl, secrets } from "./configuration-access.ts";
import { metrics, tracing } from "./configuration-telemetry.ts";
import { choice, closed, duration, durationOr, looseMetadata, resourceDocument, texts } from "./document.ts";

const pipeline = (description: string) =>
  Type.Object(
    {
      handlers: Type.Array(
        Type.Object(
          {
            name: Type.String({ minLength: 1, description: "Name of the middleware component." }),
            type: Type.String({ minLength: 1, description: "Type of the middleware component." }),
            version: Type.String({ default: "v1", description: "Version of the component." }),
            selector: Type.Optional(
              Type.Object(
                {
                  fields: Type.Array(
                    Type.Object({ field: Type.String(), value: Type.String({ default: "" }) }, closed),
                    { default: [], description: "Conditions under which the handler takes part." },
                  ),
                },
                closed,
              ),
            ),
          },
          closed,
        ),
        { default: [], description: "Middleware in the order in which requests pass it." },
      ),
    },
    { ...closed, default: {}, description },
  );

const apiRules = (description: string) =>
  Type.Array(
    Type.Object(
      {
        name: Type.String({ minLength: 1, description: "Group of endpoints, for example state." }),
        version: Type.String({ default: "", description: "Version of the API, for example v1.0." }),
        protocol: choice(["http", "grpc"], "API that the rule speaks of."),
      },
      closed,
    ),
    { default: [], description },
  );

const limits = (description: string) =>
  Type.Array(
    Type.Object(
      {
        name: Type.String({ minLength: 1 }),
        maxConcurrent: Type.Integer({ default: 0, description: "0 means no limit." }),
      },
      closed,
    ),
    { default: [], description },
  );

const limit = (description: string) => Type.Integer({ default: 0, description: `${description}; 0 means no limit.` });

const workflow = Type.Object(
  {
    maxConcurrentWorkflowInvocations: limit("Workflows that one sidecar runs at once"),
    maxConcurrentActivityInvocations: limit("Activities that one sidecar runs at once"),
    globalMaxConcurrentWorkflowInvocations: limit("Workflows that run at once in all replicas"),
    globalMaxConcurrentActivityInvocations: limit("Activities that run at once in all replicas"),
    workflowConcurrencyLimits: limits("Limits of single workflows by name."),
    activityConcurrencyLimits: limits("Limits of single activities by name."),
    stateRetentionPolicy: Type.Optional(
      Type.Object(
        {
          anyTerminal: Type.Optional(duration("Finished instances, unless their outcome is listed.")),
          completed: Type.Optional(duration("Instances that completed.")),
          failed: Type.Optional(duration("Instances that failed.")),
          terminated: Type.Optional(duration("Instances that were terminated.")),
        },
        { ...closed, description: "How long finished instances are kept; for ever when left out." },
      ),
    ),
  },
  { ...closed, default: {}, description: "Limits of the workflow engine." },
);

const mtls = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: "Whether sidecars authenticate each other." }),
    workloadCertTTL: durationOr("24h", "Lifetime of a sidecar's certificate."),
    allowedClockSkew: durationOr("15m", "Difference of clocks that is tolerated."),
    sentryAddress: Type.String({ default: "", description: "Address of the certificate authority." }),
    controlPlaneTrustDomain: Type.String({ default: "", description: "Trust domain of the control plane." }),
    tokenValidators: Type.Array(
      Type.Object({ name: Type.String({ minLength: 1 }), options: Type.Optional(Type.Unknown()) }, closed),
      { default: [], description: "Who vouches for a sidecar that asks for a certificate." },
    ),
  },
  { ...closed, default: {}, description: "Mutual TLS between sidecars." },
);

const features = Type.Array(
  Type.Object(
    {
      name: Type.String({ minLength: 1, description: "Name of the feature." }),
      enabled: Type.Boolean({ default: false, description: "Whether it is on." }),
    },
    closed,
  ),
  { default: [], description: "Features switched on or off." },
);

const logging = Type.Object(
  {
    apiLogging: Type.Object(
      {
        enabled: Type.Optional(Type.Boolean({ description: "Whether calls of the API are logged." })),
        obfuscateURLs: Type.Boolean({ default: false, description: "Log the route instead of the URL." }),
        omitHealthChecks: Type.Boolean({ default: false, description: "Leave health checks out." }),
      },
      { ...closed, default: {} },
    ),
  },
  { ...closed, default: {}, description: "What is logged." },
);

const nameResolution = Type.Optional(
  Type.Object(
    {
      component: Type.String({ minLength: 1, description: "Name of the resolver, for example mdns or sqlite." }),
      version: Type.String({ default: "v1", description: "Version of the resolver." }),
      configuration: Type.Optional(Type.Unknown({ description: "Settings of the resolver." })),
    },
    { ...closed, description: "How app ids become addresses." },
  ),
);

/** Settings of the sidecar itself. */
export const configurationSchema = resourceDocument({
  kind: "Configuration",
  version: "v1alpha1",
  description: "Settings of the sidecar itself: telemetry, middleware, access, limits.",
  metadata: looseMetadata,
  spec: Type.Object(
    {
      tracing,
      metrics,
      metric: metrics,
      httpPipeline: pipeline("Middleware in front of the sidecar's HTTP API."),
      appHttpPipeline: pipeline("Middleware on calls to the app."),
      accessControl,
      nameResolution,
      secrets,
      features,
      api: Type.Object(
        {
          allowed: apiRules("When not empty, only these endpoints exist."),
          denied: apiRules("Endpoints that do not exist."),
        },
        { ...closed, default: {}, description: "Which endpoints the sidecar offers." },
      ),
      components: Type.Object(
        {
          deny: texts("Types, or type/version, that are never loaded."),
          requires: Type.Record(Type.String(), texts("Names of capabilities."), {
            default: {},
            description:
              "Capabilities that the app counts on, by component name; a component that is not there or cannot do it keeps the sidecar from starting.",
          }),
        },
        { ...closed, default: {}, description: "Which components may be loaded, and what they must be able to do." },
      ),
      logging,
      wasm: Type.Object(
        { strictSandbox: Type.Boolean({ default: false, description: "Whether WebAssembly gets no system access." }) },
        { ...closed, default: {}, description: "Limits of WebAssembly components." },
      ),
      workflow,
      mtls,
    },
    { ...closed, default: {} },
  ),
  top: {},
});

export type ConfigurationDocument = Static<typeof configurationSchema>;
