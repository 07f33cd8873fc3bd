import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { loadConfig } from "../../sidecar/config/config.ts";
import { type Sidecar, startSidecar } from "../../sidecar/main.ts";
import { GrpcCaller } from "./grpc-call.ts";
import { callHttp, type HttpAsk, type HttpReply } from "./http-call.ts";

export interface InProcessStart {
  /** Text of resource files by name. */
  readonly resources?: Readonly<Record<string, string>>;
  /** Further flags; a later one wins over those set here. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens, separated by commas. Default: 127.0.0.1. */
  readonly addresses?: string;
}

/** A sidecar that runs in the process of the test, on free ports of 127.0.0.1. */
export interface InProcessSidecar {
  readonly sidecar: Sidecar;
  readonly folder: string;
  /** -1 where it does not listen on TCP. */
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly grpc: GrpcCaller;
  http(ask: HttpAsk): Promise<HttpReply>;
  /** Resolves when the sidecar says that it is healthy, its app included. */
  whenReady(): Promise<void>;
  /** What the shutdown API was called with. */
  readonly shutdowns: readonly boolean[];
  /** What it has logged. */
  log(): string;
  /** Stops it and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

/** Starts a sidecar named `app` without metrics; stop it when the tests are over. */
export async function startInProcess(start: InProcessStart = {}): Promise<InProcessSidecar> {
  const folder = mkdtempSync(join(tmpdir(), "mecha-in-process-"));
  const resources = join(folder, "resources");
  mkdirSync(resources);
  for (const [name, text] of Object.entries(start.resources ?? {})) writeFileSync(join(resources, name), text);
  const env = { MECHA_HOME: folder, ...start.env };
  const flags = ["--app-id", "app", "--dapr-http-port", "0", "--dapr-grpc-port", "0", "--enable-metrics=false"];
  const more = [
    "--dapr-listen-addresses",
    start.addresses ?? "127.0.0.1",
    "--data-dir",
    folder,
    "--resources-path",
    resources,
  ];
  const chunks: string[] = [];
  const logTo = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const shutdowns: boolean[] = [];
  const config = await loadConfig([...flags, ...more, ...(start.args ?? [])], env);
  const options = { env, version: "0.0.0-test", logTo, onShutdown: (force: boolean) => void shutdowns.push(force) };
  const sidecar = await startSidecar(config, options);
  const { http: httpPort = -1, grpc: grpcPort = -1 } = sidecar.ports;
  const grpc = new GrpcCaller(`127.0.0.1:${grpcPort}`, { closes: false });
  return {
    sidecar,
    folder,
    httpPort,
    grpcPort,
    grpc,
    shutdowns,
    http: (ask) => callHttp(httpPort, ask),
    async whenReady() {
      while ((await callHttp(httpPort, { path: "/v1.0/healthz" })).status !== 204) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    log: () => chunks.join(""),
    async stop() {
      grpc.close();
      await sidecar.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One component resource as YAML; metadata as texts by name. */
export function component(name: string, type: string, metadata: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(metadata).map(
    ([key, value]) => `    - name: ${key}\n      value: ${JSON.stringify(value)}\n`,
  );
  return `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\nspec:\n  type: ${type}\n  version: v1\n  metadata:${pairs.length > 0 ? `\n${pairs.join("")}` : " []\n"}`;
}
