import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Value } from "typebox/value";
import type { ConfigurationStore } from "../../components/contract/configuration.ts";
import sqliteConfiguration from "../../components/sqlite/configuration.ts";
import { openContext } from "./open-driver.ts";
import { sdkResources, writeSdkFiles } from "./sdk-resources.ts";
import { type RunningSidecar, type SidecarStart, startSidecar } from "./sidecar.ts";

/** How the app of a program talks with its sidecar. */
export type AppProtocol = "http" | "grpc";

/** A program in test/integration/clients. */
export interface SdkProgram {
  /** App id of its sidecar, such as `python-grpc`. */
  readonly appId: string;
  readonly protocol: AppProtocol;
  readonly command: readonly [string, ...string[]];
  /** True: its sidecar asks for DAPR_API_TOKEN and sends APP_API_TOKEN, which the program has both of. */
  readonly hasTokens: boolean;
  /** Text of resource files by name, beside those that all programs have. */
  readonly resources?: Readonly<Record<string, string>>;
}

/** What a program says of one step: a line `{"step", "ok", "detail"}` on its standard output. */
interface Step {
  readonly step: string;
  readonly ok: boolean;
  readonly detail?: string;
}

export interface SdkReport {
  /** @throws Error with what the program and the sidecar wrote, unless the step was reported as done. */
  check(step: string): void;
  /** Names in the order they came. */
  readonly steps: readonly string[];
  /** Exit code of its sidecar, which the program shuts down at its end; undefined when it still ran 10 s later. */
  readonly sidecarExit: number | null | undefined;
}

const valueChangesMs = 100;
const shutdownMs = 10_000;
const shownChars = 3_000;

const tokens = { DAPR_API_TOKEN: "for-the-sidecar", APP_API_TOKEN: "for-the-app" };
/** A gRPC app is also asked for its health, which every SDK has an answer to. */
const flagsOf = {
  http: ["--app-protocol", "http"],
  grpc: ["--app-protocol", "grpc", "--enable-app-health-check", "--app-health-probe-interval", "1"],
} as const;

/**
 * Runs programs at once, each an app beside a sidecar of its own, with one more sidecar without app to call them
 * through. A program is told by DAPR_HTTP_PORT, DAPR_GRPC_PORT, APP_ID, APP_PORT and APP_PROTOCOL, and of the other
 * sidecar by CALLER_HTTP_PORT and CALLER_GRPC_PORT; the item `ticks` of `configstore` changes all the time.
 * @returns the reports in the order of the programs
 */
export async function runSdkPrograms(programs: readonly SdkProgram[]): Promise<SdkReport[]> {
  const folder = mkdtempSync(join(tmpdir(), "mecha-sdk-"));
  writeSdkFiles(folder);
  const started: RunningSidecar[] = [];
  const start = async ({ resources, ...app }: SidecarStart) => {
    const all = { ...sdkResources(folder, app.appId), ...resources };
    const sidecar = await startSidecar({ folder, resources: all, ...app });
    started.push(sidecar);
    return sidecar;
  };
  const stopTicking = await keepChanging(folder);
  try {
    const [first] = programs;
    const caller = start({ appId: `${first?.appId}-caller` });
    return await Promise.all(
      programs.map(async (program) => {
        const { appId, protocol, hasTokens, resources = {} } = program;
        const appPort = await freePort();
        const env = hasTokens ? tokens : {};
        const sidecar = await start({ appId, appPort, resources, args: flagsOf[protocol], env });
        return runProgram(program, { ...env, APP_PORT: String(appPort) }, sidecar, await caller);
      }),
    );
  } finally {
    await stopTicking();
    await Promise.all(started.map((sidecar) => sidecar.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runProgram(
  { appId, protocol, command: [file, ...args] }: SdkProgram,
  env: Readonly<Record<string, string>>,
  sidecar: RunningSidecar,
  caller: RunningSidecar,
): Promise<SdkReport> {
  const child = spawn(file, args, {
    env: {
      ...process.env,
      ...env,
      APP_ID: appId,
      APP_PROTOCOL: protocol,
      DAPR_HTTP_PORT: String(sidecar.httpPort),
      DAPR_GRPC_PORT: String(sidecar.grpcPort),
      CALLER_HTTP_PORT: String(caller.httpPort),
      CALLER_GRPC_PORT: String(caller.grpcPort),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { steps, other } = await readSteps(child);
  const sidecarExit = await exitOf(sidecar.process);
  const byName = new Map(steps.map((step) => [step.step, step]));
  const check = (name: string) => {
    const step = byName.get(name);
    if (step?.ok === true) return;
    const why = step ? (step.detail ?? "no detail") : "the program did not come to it";
    throw new Error(`${why}\n--- program\n${tail(other)}\n--- sidecar\n${tail(sidecar.output())}`);
  };
  return { check, steps: steps.map(({ step }) => step), sidecarExit };
}

/** Reads what a program writes until it ends. */
async function readSteps(child: ChildProcess): Promise<{ readonly steps: readonly Step[]; readonly other: string }> {
  const ended = new Promise<number | null>((resolve, reject) => child.once("close", resolve).once("error", reject));
  const steps: Step[] = [];
  const other: string[] = [];
  child.stderr?.setEncoding("utf8").on("data", (text: string) => other.push(text));
  if (child.stdout)
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith('{"step"')) steps.push(JSON.parse(line) as Step);
      else other.push(`${line}\n`);
    });
  other.push(`(exit code ${await ended})`);
  return { steps, other: other.join("") };
}

const tail = (text: string): string => text.slice(-shownChars);

async function exitOf(child: ChildProcess): Promise<number | null | undefined> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(undefined), shutdownMs);
    child.once("exit", (code) => {
      clearTimeout(late);
      resolve(code);
    });
  });
}

/** Writes `greeting` once and `ticks` again and again, as a tool outside the sidecars would. */
async function keepChanging(folder: string): Promise<() => Promise<void>> {
  const settings = Value.Default(sqliteConfiguration.metadata, {
    connectionString: join(folder, "mecha.db"),
  }) as Parameters<typeof sqliteConfiguration.open>[0];
  const store: ConfigurationStore = await sqliteConfiguration.open(settings, openContext({ dataDir: folder }));
  await store.put?.({ greeting: { value: "hello", version: "1" } }, {});
  let ticks = 0;
  let pending: Promise<void> | undefined;
  const timer = setInterval(() => {
    ticks += 1;
    // one that finds the file locked for too long is made up for by the next
    pending = store.put?.({ ticks: { value: String(ticks) } }, {}).catch(() => {});
  }, valueChangesMs);
  return async () => {
    clearInterval(timer);
    await pending;
    await store.close();
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}
