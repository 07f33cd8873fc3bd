/**
 * Where the sidecar is and how to speak to it. Each option falls back to the environment that `mecha run` and the injector
 * set up for an app (`MECHA_…` goes before `DAPR_…`), then to the sidecar's usual ports on this machine.
 *
 * @example
 * ```ts
 * import { type ClientOptions, createClient } from "@mecha/sdk";
 *
 * const options: ClientOptions = { transport: "grpc", grpcEndpoint: "127.0.0.1:50001", timeoutMs: 5_000 };
 * const client = createClient(options);
 * await client.close();
 * ```
 */
export interface ClientOptions {
  /**
   * Default `http`. A client over HTTP still uses gRPC for what only gRPC has a form for (subscribing by a stream, a
   * list of jobs) when a gRPC endpoint is given here or by the environment.
   */
  readonly transport?: "http" | "grpc" | undefined;
  /** `http://host:port`, `https://…` or `unix:/path`. Else `…_HTTP_ENDPOINT`, `…_HTTP_PORT`, port 3500. */
  readonly httpEndpoint?: string | undefined;
  /** `host:port`, `https://host:port` for TLS, or `unix:/path`. Else `…_GRPC_ENDPOINT`, `…_GRPC_PORT`, port 50001. */
  readonly grpcEndpoint?: string | undefined;
  /** Sent as `dapr-api-token`. Else `…_API_TOKEN`. */
  readonly apiToken?: string | undefined;
  /** Milliseconds after which a call is given up, 0 for never; 30000 by default. */
  readonly timeoutMs?: number | undefined;
}

/** A gRPC server to connect to. */
export interface GrpcEndpoint {
  /** As grpc-js takes it. */
  readonly address: string;
  readonly tls: boolean;
}

/** Options with every default filled in. */
export interface ClientSettings {
  readonly transport: "http" | "grpc";
  readonly http: URL;
  /** Undefined: nobody said where, and HTTP is what this client speaks. */
  readonly grpc: GrpcEndpoint | undefined;
  readonly apiToken: string | undefined;
  readonly timeoutMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const defaultTimeoutMs = 30_000;

/** Fills the defaults in. Throws a TypeError that names the option or variable which is wrong. */
export function resolveOptions(options: ClientOptions, env: Environment): ClientSettings {
  const { transport = "http", timeoutMs = defaultTimeoutMs } = options;
  if (transport !== "http" && transport !== "grpc") {
    throw new TypeError(`transport must be "http" or "grpc", got ${JSON.stringify(transport)}`);
  }
  if (!(timeoutMs >= 0)) throw new TypeError(`timeoutMs must be 0 or more milliseconds, got ${timeoutMs}`);
  const grpc = options.grpcEndpoint ?? fromEnv(env, "GRPC_ENDPOINT") ?? localPort(env, "GRPC_PORT");
  return {
    transport,
    http: parseHttp(
      options.httpEndpoint ?? fromEnv(env, "HTTP_ENDPOINT") ?? localPort(env, "HTTP_PORT") ?? "127.0.0.1:3500",
    ),
    grpc: grpc === undefined && transport === "http" ? undefined : parseGrpc(grpc ?? "127.0.0.1:50001"),
    apiToken: options.apiToken ?? fromEnv(env, "API_TOKEN"),
    timeoutMs,
  };
}

const fromEnv = (env: Environment, name: string): string | undefined =>
  env[`MECHA_${name}`] || env[`DAPR_${name}`] || undefined;

function localPort(env: Environment, name: string): string | undefined {
  const port = fromEnv(env, name);
  return port === undefined ? undefined : `127.0.0.1:${port}`;
}

function parseHttp(text: string): URL {
  const whole = /^(https?|unix):/i.test(text) ? text : `http://${text}`;
  if (URL.canParse(whole)) return new URL(whole);
  throw new TypeError(`the HTTP endpoint ${JSON.stringify(text)} must look like http://127.0.0.1:3500 or unix:/path`);
}

/** `?tls=true` is how some environments ask for TLS without a scheme. */
function parseGrpc(text: string): GrpcEndpoint {
  const [bare = "", query = ""] = text.split("?", 2);
  const tls = new URLSearchParams(query).get("tls") === "true";
  if (/^https?:/i.test(bare)) {
    if (!URL.canParse(bare)) throw wrongGrpc(text);
    const { protocol, hostname, port } = new URL(bare);
    const secure = tls || protocol === "https:";
    return { address: `${hostname}:${port || (secure ? "443" : "80")}`, tls: secure };
  }
  if (/^(unix|dns|ipv4|ipv6):/i.test(bare) || /^[^/]+:\d+$/.test(bare)) return { address: bare, tls };
  throw wrongGrpc(text);
}

const wrongGrpc = (text: string) =>
  new TypeError(
    `the gRPC endpoint ${JSON.stringify(text)} must look like 127.0.0.1:50001, https://host:443 or unix:/path`,
  );
