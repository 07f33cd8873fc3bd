import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Server processes under measurement: on a core of their own, where the machine lets us choose. */

const canPin = process.platform === "linux" && spawnSync("taskset", ["-V"]).status === 0;
/** Core of the process under measurement; the load comes from the others. */
const measuredCore = "1";
const loadCore = "0";

export interface Running {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Milliseconds of processor time used so far. */
  cpuMs(): number;
  /** Resident memory in MB. */
  rssMb(): number;
  stop(): Promise<void>;
}

/** Starts a program; `measured` ones run on their own core. */
export function start(
  command: readonly string[],
  options: { readonly measured: boolean; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string },
): Running {
  const core = options.measured ? measuredCore : loadCore;
  const [program, ...args] = canPin ? ["taskset", "-c", core, ...command] : command;
  const child = spawn(program as string, args, {
    stdio: ["ignore", "ignore", process.env["MECHA_BENCH_LOG"] ? "inherit" : "ignore"],
    env: { ...process.env, ...options.env },
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  const pid = child.pid as number;
  return {
    process: child,
    pid,
    cpuMs: () => {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      // Fields 14 and 15 of proc(5), in ticks of 10 ms.
      return (Number(fields[11]) + Number(fields[12])) * 10;
    },
    rssMb: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}

/** Keeps the load off the measured core. */
export function pinSelf(): string {
  if (!canPin) return "not pinned (no taskset)";
  spawnSync("taskset", ["-cp", loadCore, String(process.pid)]);
  return `sidecar on core ${measuredCore}, load on core ${loadCore}`;
}

/** Several ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  return ports;
}

/** Milliseconds until `url` answers with a status below 300. */
export async function untilUp(url: string, limitMs = 20_000): Promise<number> {
  const started = performance.now();
  for (;;) {
    try {
      const { status } = await fetch(url);
      if (status < 300) return performance.now() - started;
    } catch {
      // Not listening yet.
    }
    if (performance.now() - started > limitMs) throw new Error(`${url} did not come up within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
