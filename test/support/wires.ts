import { onTestFinished } from "vitest";
import type { ScopedLog } from "../../sidecar/kernel/log.ts";
import { apiAccess } from "../../sidecar/wire/api-access.ts";
import { type GrpcServerParts, openGrpcServer } from "../../sidecar/wire/grpc/server.ts";
import type { Place } from "../../sidecar/wire/http/listen.ts";
import { type HttpServerParts, openHttpServer } from "../../sidecar/wire/http/server.ts";
import { Pipeline, type PipelineParts } from "../../sidecar/wire/pipeline.ts";
import { GrpcCaller, type GrpcReply } from "./grpc-call.ts";
import { callHttp, type HttpAsk, type HttpReply } from "./http-call.ts";
import { KeptLog } from "./open-driver.ts";

/** A log that keeps its lines, whatever the scope. */
export class KeptScopedLog extends KeptLog implements ScopedLog {
  scope(): ScopedLog {
    return this;
  }
}

/** A pipeline without any layer unless parts are given. */
export const pipelineOf = (parts: Partial<PipelineParts> = {}): Pipeline =>
  new Pipeline({
    apiToken: undefined,
    metrics: undefined,
    labels: {
      recordErrorCodes: false,
      http: { increasedCardinality: true, pathMatching: [], excludeVerbs: false },
    },
    tracing: undefined,
    apiLog: undefined,
    omitHealthChecks: false,
    obfuscateUrls: false,
    ...parts,
  });

const common = () => ({
  appId: "app",
  methods: [],
  proxy: undefined,
  pipeline: pipelineOf(),
  access: apiAccess({ allowed: [], denied: [] }),
  maxBodyBytes: 4 * 1024 * 1024,
  log: new KeptScopedLog(),
});

export interface HttpWire {
  readonly port: number;
  call(ask: HttpAsk): Promise<HttpReply>;
  close(): Promise<void>;
}

/** The HTTP server alone, with whatever methods it is given; gone when the test is. */
export async function startHttpWire(
  parts: Partial<HttpServerParts>,
  places: readonly Place[] = [{ host: "127.0.0.1", port: 0 }],
): Promise<HttpWire> {
  const defaults = { ...common(), routes: [], maxHeaderBytes: 4096, allowedOrigins: [], h2c: true };
  const listening = await openHttpServer({ ...defaults, ...parts }, places);
  onTestFinished(() => listening.close());
  const port = listening.port ?? 0;
  return { port, call: (ask) => callHttp(port, ask), close: () => listening.close() };
}

export interface GrpcWire {
  readonly port: number;
  readonly caller: GrpcCaller;
  call(...args: Parameters<GrpcCaller["call"]>): Promise<GrpcReply>;
  close(graceMs: number): Promise<void>;
}

/** The gRPC server alone. */
export async function startGrpcWire(
  parts: Partial<GrpcServerParts>,
  addresses: readonly string[] = ["127.0.0.1:0"],
): Promise<GrpcWire> {
  const listening = await openGrpcServer(
    { ...common(), maxMetadataBytes: 64 * 1024, ready: () => true, ...parts },
    addresses,
  );
  onTestFinished(() => listening.close(0));
  const port = listening.port ?? 0;
  const caller = new GrpcCaller(listening.port === undefined ? (addresses[0] as string) : `127.0.0.1:${port}`);
  return { port, caller, call: (...args) => caller.call(...args), close: (graceMs) => listening.close(graceMs) };
}
