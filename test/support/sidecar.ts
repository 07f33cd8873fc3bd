import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

export interface SidecarStart {
  readonly appId: string;
  /** Port the app listens on; without one the sidecar has no app. */
  readonly appPort?: number;
  /** Text of resource files by name, such as `statestore.yaml`. Without any, the embedded default is all there is. */
  readonly resources?: Readonly<Record<string, string>>;
  /** Further flags of `mechad`; a later one wins over those set here. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder for data, resources and the registry of apps; sidecars that share one find each other. Default: an own one. */
  readonly folder?: string;
}

export interface RunningSidecar {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** `http://127.0.0.1:<httpPort>`. */
  readonly url: string;
  readonly folder: string;
  /** The one that runs now; another after `restart`. */
  readonly process: ChildProcess;
  /** Everything written so far, of all its processes. */
  output(): string;
  /** Ends it by SIGTERM and removes its own folder. Resolves with the exit code. Idempotent. */
  stop(): Promise<number | null>;
  /** Ends it with no chance to clean up; data stays. */
  kill9(): Promise<void>;
  /** Starts it again on the same ports and data, after SIGTERM where it still runs. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const mechad = resolve(import.meta.dirname, "../../bin/mechad");
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts a real sidecar, `bin/mechad`, on free ports and resolves when its APIs serve (what healthz/outbound tells): it
 * does not wait for the app. Rejects with its output when it ends before that. Stop it, or use `await using`.
 */
export async function startSidecar(start: SidecarStart): Promise<RunningSidecar> {
  const folder = start.folder ?? mkdtempSync(join(tmpdir(), "mecha-sidecar-"));
  const resources = join(folder, `${start.appId}-resources`);
  for (const [name, text] of Object.entries(start.resources ?? {})) {
    mkdirSync(dirname(join(resources, name)), { recursive: true });
    writeFileSync(join(resources, name), text);
  }
  const chunks: string[] = [];
  const launch = async (httpPort: number, grpcPort: number) => {
    const child = spawn(process.execPath, [mechad, ...flagsOf(start, folder, resources, httpPort, grpcPort)], {
      env: { ...process.env, MECHA_HOME: folder, ...start.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    return { child, ports: await untilServing(child, chunks) };
  };
  const first = await launch(0, 0);
  const { http: httpPort, grpc: grpcPort } = first.ports;
  let current = first.child;
  const stop = async () => {
    const code = await end(current, "SIGTERM");
    if (start.folder === undefined) rmSync(folder, { recursive: true, force: true });
    return code;
  };
  return {
    httpPort,
    grpcPort,
    url: `http://127.0.0.1:${httpPort}`,
    folder,
    get process() {
      return current;
    },
    output: () => chunks.join(""),
    stop,
    kill9: async () => void (await end(current, "SIGKILL")),
    restart: async () => {
      await end(current, "SIGTERM");
      current = (await launch(httpPort, grpcPort)).child;
    },
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

function flagsOf(start: SidecarStart, folder: string, resources: string, httpPort: number, grpcPort: number): string[] {
  return [
    ...["--app-id", start.appId],
    ...(start.appPort === undefined ? [] : ["--app-port", String(start.appPort)]),
    ...["--dapr-http-port", String(httpPort), "--dapr-grpc-port", String(grpcPort), "--enable-metrics=false"],
    // the line that tells the ports is read as JSON
    ...["--log-as-json", "--data-dir", folder, "--embedded"],
    ...(start.resources === undefined ? [] : ["--resources-path", resources]),
    ...(start.args ?? []),
  ];
}

interface Ports {
  readonly http: number;
  readonly grpc: number;
}

/** The sidecar says which ports it has as soon as its APIs serve. */
function untilServing(child: ChildProcess, chunks: string[]): Promise<Ports> {
  const { promise, resolve: serving, reject } = Promise.withResolvers<Ports>();
  const from = chunks.length;
  let pending = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => chunks.push(text));
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    chunks.push(text);
    const lines = (pending + text).split("\n");
    pending = lines.pop() ?? "";
    const line = lines.find((one) => one.includes('"dapr initialized. Status: Running.'));
    if (line !== undefined) serving(JSON.parse(line) as Ports);
  });
  child.once("error", reject);
  child.once("close", (code, signal) =>
    reject(new Error(`the sidecar ended (${signal ?? code}) before it served:\n${chunks.slice(from).join("")}`)),
  );
  return promise;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((resolveEnd) => child.once("exit", resolveEnd));
    child.kill(signal);
    await ended;
  }
  return child.exitCode;
}
