/**
 * The shape of a sidecar's configuration: what flags, environment and resource files became.
 *
 * Types only. `sidecar/config` fills them; every other folder receives them. All values are
 * deep-frozen, defaults are filled in, durations are milliseconds and sizes are bytes.
 */

/** Where something was written. `line` is 1-based; `file` is the path as it was given. */
export interface Source {
  readonly file: string;
  readonly line: number;
}

/**
 * Something wrong with a flag, a variable or a resource.
 * `warning`: it was ignored or skipped and start-up goes on. `error`: start-up must stop.
 */
export interface Problem {
  readonly severity: "warning" | "error";
  readonly message: string;
  /** What to write instead, as a clause: `did you mean "name"?`. */
  readonly hint?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** Path of the key inside the document: `spec.metadata[0].value`. */
  readonly keyPath?: string;
  /** Name of the flag without dashes, when the problem is one of the command line. */
  readonly flag?: string;
}

export interface Config {
  readonly mode: "standalone" | "kubernetes";
  readonly appId: string;
  /** `NAMESPACE`, or `default`. */
  readonly namespace: string;
  /** `POD_NAME`, used by the `{podName}` template. */
  readonly podName?: string;
  /** `DAPR_HOST_IP`: the address to advertise to peers instead of a detected one. */
  readonly hostIp?: string;
  readonly app: AppConfig;
  readonly listen: ListenConfig;
  readonly limits: LimitsConfig;
  /** `DAPR_API_TOKEN`: callers must present it. Secret: never log it. */
  readonly apiToken?: string;
  readonly shutdown: ShutdownConfig;
  readonly log: LogConfig;
  readonly profile: { readonly enabled: boolean; readonly port: number };
  readonly controlPlane: ControlPlaneConfig;
  /** How often the secrets of components are read again; 0: never. */
  readonly secretRefreshMs: number;
  readonly hotReload: { readonly enabled: boolean; readonly reconcileIntervalMs: number };
  /** Folder in which out-of-process components put their sockets. */
  readonly componentSocketsFolder: string;
  /** Folder for the data of embedded stores. */
  readonly dataDir: string;
  /** Unknown metadata keys of a component, and every problem of a resource file, are errors. */
  readonly strict: boolean;
  /** Blocks without a declared component work on the embedded default. */
  readonly embedded: boolean;
  /** App endpoints the sidecar must not ask when the app becomes healthy. */
  readonly disableInitEndpoints: readonly InitEndpoint[];
  readonly disableBuiltinK8sSecretStore: boolean;
  readonly resourcesPaths: readonly string[];
  readonly configPaths: readonly string[];
  readonly components: readonly ComponentResource[];
  readonly subscriptions: readonly SubscriptionResource[];
  readonly resiliency: readonly ResiliencyResource[];
  readonly httpEndpoints: readonly HttpEndpointResource[];
  /** Recognised kinds that are kept as they were written. */
  readonly rawResources: readonly RawResource[];
  readonly configuration: Configuration;
  /** Warnings only: a problem of severity `error` never leaves the loader alive. */
  readonly problems: readonly Problem[];
}

export type InitEndpoint = "config" | "subscribe";

export type AppProtocol = "http" | "https" | "h2c" | "grpc" | "grpcs";

export interface AppConfig {
  /** Absent: there is no app channel. */
  readonly port?: number;
  readonly protocol: AppProtocol;
  readonly address: string;
  /** Calls at once; 0 = unlimited. */
  readonly maxConcurrency: number;
  readonly healthCheck: {
    readonly enabled: boolean;
    readonly path: string;
    readonly intervalMs: number;
    readonly timeoutMs: number;
    /** Consecutive failures after which the app counts as unhealthy. */
    readonly threshold: number;
  };
  readonly bindingOptionsTimeoutMs: number;
  /** `APP_API_TOKEN`: sent to the app with every call. Secret: never log it. */
  readonly apiToken?: string;
}

export interface ListenConfig {
  /** Empty = every interface. */
  readonly addresses: readonly string[];
  /** 0 = a free port. */
  readonly httpPort: number;
  /** 0 = a free port. */
  readonly grpcPort: number;
  /** 0 = a free port. */
  readonly internalGrpcPort: number;
  /** Empty = every interface. */
  readonly internalListenAddress: string;
  /** Absent: no public listener. */
  readonly publicPort?: number;
  /** Empty = every interface. */
  readonly publicAddress: string;
  /** Folder of the API sockets; when set, the API servers do not listen on TCP. */
  readonly unixDomainSocketDir?: string;
  /** Whether cleartext HTTP/2 is accepted on the HTTP port. */
  readonly h2c: boolean;
  readonly metrics: { readonly enabled: boolean; readonly port: number; readonly address: string };
  /** Empty = CORS is off; `["*"]` = every origin. */
  readonly allowedOrigins: readonly string[];
}

export interface LimitsConfig {
  readonly maxBodyBytes: number;
  readonly readBufferBytes: number;
}

export interface ShutdownConfig {
  readonly gracefulMs: number;
  /** How long to keep the API alive before the graceful part starts; absent = not at all. */
  readonly blockMs?: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

export interface LogConfig {
  readonly level: LogLevel;
  readonly json: boolean;
  /** The flag, else the Configuration resource. */
  readonly apiLogging: {
    readonly enabled: boolean;
    readonly obfuscateUrls: boolean;
    readonly omitHealthChecks: boolean;
  };
}

export interface ControlPlaneConfig {
  readonly address: string;
  readonly sentryAddress: string;
  readonly trustDomain: string;
  readonly namespace: string;
  readonly mtlsEnabled: boolean;
  readonly sentryRequestJwtAudiences: readonly string[];
  /** Empty = none was given. */
  readonly placementAddresses: readonly string[];
  /** Empty = none was given. */
  readonly schedulerAddresses: readonly string[];
  readonly schedulerJobStreams: number;
  readonly actorsDisseminateTimeoutMs: number;
}

// ---------------------------------------------------------------------------- resources

/** What every resource has. */
export interface ResourceHeader {
  readonly name: string;
  /** Absent when the document names none. */
  readonly namespace?: string;
  /** App ids; empty = every app. Already applied by the loader. */
  readonly scopes: readonly string[];
  readonly source: Source;
}

/**
 * One entry of component metadata, of headers and the like, as it was written.
 * Exactly one of `value`, `secretKeyRef`, `envRef` is set. Names match case-insensitively.
 */
export interface NameValuePair {
  readonly name: string;
  /** Any YAML value, already turned into text (JSON text, without the quotes of a string). */
  readonly value?: string;
  readonly secretKeyRef?: { readonly name: string; readonly key: string };
  readonly envRef?: string;
  /** 1-based line in the resource's file. */
  readonly line: number;
}

/** A secret that must be read before a resource can be used. */
export interface SecretReference {
  readonly store: string;
  readonly name: string;
  readonly key: string;
}

/** A pair whose references and templates are resolved. The value may be secret: never log it. */
export interface ResolvedPair {
  readonly name: string;
  readonly value: string;
}

/**
 * Resolves pairs: variables first, then secrets, then templates. Pairs keep their order.
 * @throws what `readSecret` throws, and when a template cannot be filled.
 */
export type ResolvePairs = (
  owner: { readonly name: string; readonly secretStore?: string },
  pairs: readonly NameValuePair[],
  readSecret: (reference: SecretReference) => Promise<string>,
) => Promise<readonly ResolvedPair[]>;

export interface ComponentResource extends ResourceHeader {
  readonly kind: "Component";
  /** `<category>.<name>`, for example `state.redis`, as written; compare it without regard to case. */
  readonly type: string;
  /** `v1` when empty or `v0`. */
  readonly version: string;
  readonly metadata: readonly NameValuePair[];
  readonly initTimeoutMs: number;
  /** False: a failing start of the component stops the sidecar. */
  readonly ignoreErrors: boolean;
  /** Capabilities that the app counts on; absent: none. */
  readonly requires?: readonly string[];
  /** Store that `secretKeyRef` entries are read from. */
  readonly secretStore?: string;
  /** Secrets that `ResolvePairs` will ask for; empty: none. */
  readonly neededSecrets: readonly SecretReference[];
}

/** A rule of a subscription: `match` is a CEL expression; empty = always, and stands last. */
export interface SubscriptionRoute {
  readonly match: string;
  readonly path: string;
}

/** A subscription, whether it was declared in a file, by the app, or by a stream. */
export interface Subscription {
  readonly pubsubName: string;
  readonly topic: string;
  /** In order of precedence. Empty: no path was given. */
  readonly routes: readonly SubscriptionRoute[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly deadLetterTopic?: string;
  readonly bulkSubscribe?: BulkSubscribe;
}

export interface BulkSubscribe {
  readonly enabled: boolean;
  readonly maxMessagesCount: number;
  readonly maxAwaitDurationMs: number;
}

export interface SubscriptionResource extends ResourceHeader, Subscription {
  readonly kind: "Subscription";
}

export interface HttpEndpointResource extends ResourceHeader {
  readonly kind: "HTTPEndpoint";
  readonly baseUrl: string;
  readonly headers: readonly NameValuePair[];
  /** PEM texts, each a pair so that it may come from a secret. */
  readonly clientTls?: {
    readonly rootCa?: NameValuePair;
    readonly certificate?: NameValuePair;
    readonly privateKey?: NameValuePair;
    readonly renegotiation: "Never" | "OnceAsClient" | "FreelyAsClient";
  };
  readonly secretStore?: string;
  /** Secrets that `ResolvePairs` will ask for; empty: none. */
  readonly neededSecrets: readonly SecretReference[];
}

/** MCPServer and WorkflowAccessPolicy: recognised, not interpreted here. */
export interface RawResource extends ResourceHeader {
  readonly kind: "MCPServer" | "WorkflowAccessPolicy";
  readonly document: Readonly<Record<string, unknown>>;
}

/** Any resource that a resources folder may hold. */
export type Resource =
  | ComponentResource
  | SubscriptionResource
  | ResiliencyResource
  | HttpEndpointResource
  | RawResource;

// --------------------------------------------------------------------------- resiliency

export interface ResiliencyResource extends ResourceHeader {
  readonly kind: "Resiliency";
  readonly policies: {
    /** Milliseconds by policy name. */
    readonly timeouts: Readonly<Record<string, number>>;
    readonly retries: Readonly<Record<string, RetryPolicy>>;
    readonly circuitBreakers: Readonly<Record<string, CircuitBreakerPolicy>>;
  };
  readonly targets: {
    readonly apps: Readonly<Record<string, AppTarget>>;
    readonly actors: Readonly<Record<string, ActorTarget>>;
    readonly components: Readonly<Record<string, ComponentTarget>>;
  };
}

export interface RetryPolicy {
  readonly policy: "constant" | "exponential";
  /** Pause of a constant policy. */
  readonly durationMs: number;
  /** Longest pause of an exponential policy. */
  readonly maxIntervalMs: number;
  /** -1 = without end; 0 = no retry. */
  readonly maxRetries: number;
  /** Statuses that are retried; absent = all. */
  readonly httpStatusCodes?: readonly CodeRange[];
  readonly grpcStatusCodes?: readonly CodeRange[];
}

/** Both ends belong to the range. */
export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

export interface CircuitBreakerPolicy {
  /** Probes let through while half open. */
  readonly maxRequests: number;
  /** How often the counts of a closed breaker are cleared; 0 = never. */
  readonly intervalMs: number;
  /** How long it stays open. */
  readonly timeoutMs: number;
  /** CEL over the counts: requests, totalSuccesses, totalFailures, consecutiveSuccesses, consecutiveFailures. */
  readonly trip: string;
}

/** Names of policies; absent = none of that kind. */
export interface TargetPolicies {
  readonly timeout?: string;
  readonly retry?: string;
  readonly circuitBreaker?: string;
}

export interface AppTarget extends TargetPolicies {
  readonly circuitBreakerCacheSize: number;
}

export interface ActorTarget extends TargetPolicies {
  /** Set whenever `circuitBreaker` is. */
  readonly circuitBreakerScope?: "type" | "id" | "both";
  readonly circuitBreakerCacheSize: number;
}

export interface ComponentTarget {
  readonly inbound?: TargetPolicies;
  readonly outbound?: TargetPolicies;
}

// ------------------------------------------------------------------------ Configuration

/** All Configuration resources, merged in order over the defaults. */
export interface Configuration {
  /** Name of the last merged resource; empty when there was none. */
  readonly name: string;
  readonly tracing: TracingConfig;
  readonly metrics: MetricsConfig;
  readonly httpPipeline: readonly PipelineHandler[];
  readonly appHttpPipeline: readonly PipelineHandler[];
  /** Absent: no access control was configured; every call is allowed. */
  readonly accessControl?: AccessControl;
  readonly nameResolution?: {
    readonly component: string;
    readonly version: string;
    readonly configuration?: unknown;
  };
  readonly secretScopes: readonly SecretScope[];
  /** Every known feature with its default, and those that were given. */
  readonly features: Readonly<Record<string, boolean>>;
  readonly api: { readonly allowed: readonly ApiRule[]; readonly denied: readonly ApiRule[] };
  /** `type` or `type/version`. Already applied by the loader. */
  readonly deniedComponents: readonly string[];
  /** Capabilities that the app counts on, by component name. */
  readonly requiredCapabilities: Readonly<Record<string, readonly string[]>>;
  readonly logging: {
    readonly apiLogging: {
      /** Absent when the resource says nothing. */
      readonly enabled?: boolean;
      readonly obfuscateUrls: boolean;
      readonly omitHealthChecks: boolean;
    };
  };
  readonly wasm: { readonly strictSandbox: boolean };
  readonly workflow: WorkflowConfig;
  readonly mtls: MtlsConfig;
}

export interface TracingConfig {
  /** 0 = off, 1 = every trace. */
  readonly samplingRate: number;
  readonly stdout: boolean;
  readonly zipkinEndpoint?: string;
  /** Present when an OTLP endpoint is configured by resource or by variable. */
  readonly otel?: {
    /** `host:port`, or a URL when it came from a variable. */
    readonly endpointAddress: string;
    readonly protocol: "grpc" | "http";
    readonly isSecure: boolean;
    readonly headers: readonly NameValuePair[];
    readonly timeoutMs?: number;
  };
}

export interface MetricsConfig {
  readonly enabled: boolean;
  readonly recordErrorCodes: boolean;
  readonly http: {
    readonly increasedCardinality: boolean;
    readonly pathMatching: readonly string[];
    readonly excludeVerbs: boolean;
  };
  readonly rules: readonly {
    readonly name: string;
    readonly labels: readonly {
      readonly name: string;
      /** Pattern by replacement. */
      readonly regex: Readonly<Record<string, string>>;
    }[];
  }[];
  readonly latencyBucketsMs: readonly number[];
  readonly workflow: {
    /** In `latencyUnitMs`. */
    readonly latencyBuckets: readonly number[];
    readonly latencyUnitMs: number;
  };
}

export interface PipelineHandler {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly selector: readonly { readonly field: string; readonly value: string }[];
}

export type AccessAction = "allow" | "deny";

export interface AccessControl {
  readonly defaultAction: AccessAction;
  readonly trustDomain: string;
  readonly policies: readonly {
    readonly appId: string;
    readonly trustDomain: string;
    readonly namespace: string;
    /** Absent: the global default action decides. */
    readonly defaultAction?: AccessAction;
    readonly operations: readonly {
      /** Starts with `/`; may hold `*`. */
      readonly name: string;
      /** Upper case; `["*"]` = every verb. */
      readonly httpVerbs: readonly string[];
      readonly action: AccessAction;
    }[];
  }[];
}

export interface SecretScope {
  readonly storeName: string;
  readonly defaultAccess: AccessAction;
  /** When not empty, only these may be read. */
  readonly allowedSecrets: readonly string[];
  readonly deniedSecrets: readonly string[];
}

export interface ApiRule {
  readonly name: string;
  readonly version: string;
  readonly protocol: "http" | "grpc";
}

/** Limits: 0 = none. */
export interface WorkflowConfig {
  readonly maxConcurrentWorkflowInvocations: number;
  readonly maxConcurrentActivityInvocations: number;
  readonly globalMaxConcurrentWorkflowInvocations: number;
  readonly globalMaxConcurrentActivityInvocations: number;
  readonly workflowConcurrencyLimits: readonly NamedLimit[];
  readonly activityConcurrencyLimits: readonly NamedLimit[];
  /** How long finished instances are kept, by outcome; absent = for ever. */
  readonly stateRetention: {
    readonly completedMs?: number;
    readonly failedMs?: number;
    readonly terminatedMs?: number;
  };
}

export interface NamedLimit {
  readonly name: string;
  readonly maxConcurrent: number;
}

export interface MtlsConfig {
  readonly enabled: boolean;
  readonly workloadCertTtlMs: number;
  readonly allowedClockSkewMs: number;
  readonly sentryAddress: string;
  readonly controlPlaneTrustDomain: string;
  readonly tokenValidators: readonly { readonly name: string; readonly options?: unknown }[];
}
