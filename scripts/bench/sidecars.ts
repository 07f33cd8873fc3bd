import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, type Running, start, untilUp } from "./processes.ts";

/** A sidecar executable that takes daprd's flags. */
export interface Executable {
  readonly name: string;
  readonly command: readonly string[];
}

export interface RunningSidecar extends Running {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** From the start of the process to the first healthy answer. */
  readonly startMs: number;
}

const folder = mkdtempSync(join(tmpdir(), "mecha-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

export const component = (name: string, type: string, settings: Readonly<Record<string, string>> = {}) =>
  `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${name}
spec:
  type: ${type}
  version: v1
  metadata:${
    Object.entries(settings)
      .map(([key, value]) => `\n  - name: ${key}\n    value: ${JSON.stringify(value)}`)
      .join("") || " []"
  }
`;

/** Resources that any sidecar knows, and those that only ours has. */
function resources(ours: boolean, given: string | undefined): string {
  const path = mkdtempSync(join(folder, "run-"));
  mkdirSync(join(path, "components"));
  const files = [
    component("memory-state", "state.in-memory"),
    component("sqlite-state", "state.sqlite", { connectionString: join(path, "state.db") }),
    component("memory", "pubsub.in-memory"),
    ...(ours ? [component("sqlite", "pubsub.sqlite", { connectionString: join(path, "pubsub.db") })] : []),
  ];
  writeFileSync(join(path, "components", "all.yaml"), given ?? files.join("---\n"));
  return path;
}

/** Starts one sidecar and waits for its outbound APIs. */
export async function startSidecar(
  executable: Executable,
  options: {
    readonly appId: string;
    readonly appPort?: number;
    readonly measured?: boolean;
    readonly ours?: boolean;
    readonly bare?: boolean;
    /** In place of the usual ones. */
    readonly resources?: string;
  },
): Promise<RunningSidecar> {
  const [httpPort, grpcPort, metricsPort] = (await freePorts(3)) as [number, number, number];
  const cwd = resources(options.ours ?? true, options.resources);
  const began = performance.now();
  const running = start(
    [
      ...executable.command,
      ...["--app-id", options.appId, "--dapr-http-port", String(httpPort), "--dapr-grpc-port", String(grpcPort)],
      ...["--metrics-port", String(metricsPort), "--dapr-listen-addresses", "127.0.0.1", "--log-level", "error"],
      ...(options.bare ? [] : ["--resources-path", join(cwd, "components")]),
      ...(options.appPort === undefined ? [] : ["--app-port", String(options.appPort)]),
    ],
    { measured: options.measured ?? true, cwd, env: { MECHA_HOME: folder } },
  );
  await untilUp(`http://127.0.0.1:${httpPort}/v1.0/healthz/outbound`);
  const startMs = performance.now() - began;
  if (options.appPort !== undefined) await untilUp(`http://127.0.0.1:${httpPort}/v1.0/healthz`);
  return { ...running, httpPort, grpcPort, startMs };
}
