import type { CliContext } from "../context.ts";
import { CliError } from "../failure.ts";
import { readRecords } from "../run-records.ts";
import { formatTable } from "../table.ts";
import { AppRun } from "./app-run.ts";
import { ConsoleLog } from "./console-log.ts";
import type { ReadyPlan } from "./plan.ts";

export interface RunOptions {
  readonly context: CliContext;
  readonly appGraceMs: number;
}

/**
 * Runs apps beside their sidecars until the last one has ended, or a signal stops them. Resolves with the exit code: the
 * first that is not 0. When one cannot be started, all are stopped and its CliError is thrown.
 */
export async function runApps(plans: readonly ReadyPlan[], { context, appGraceMs }: RunOptions): Promise<number> {
  await refuseRunning(plans, context);
  const withSidecars = plans.some(({ sidecarLog }) => sidecarLog !== "file");
  const console = new ConsoleLog(
    context,
    plans.map(({ appId }) => appId),
    withSidecars,
  );
  announce(plans, context, console);
  // Several apps would take the input from one another, and a process of another group may not read from the terminal.
  const stdin = plans.length > 1 || process.stdin.isTTY ? "open" : "inherit";
  const runs = plans.map((plan) => new AppRun({ plan, context, console, appGraceMs, stdin }));
  const killAll = () => {
    for (const run of runs) run.kill();
  };
  const stopAll = () => Promise.all(runs.map((run) => run.stop()));
  const signals = onSignals(console, stopAll, killAll);
  process.on("exit", killAll);
  try {
    const started = await Promise.allSettled(
      runs.map((run) =>
        run.start().catch(async (error: unknown) => {
          await Promise.all(runs.filter((one) => one !== run).map((one) => one.stop()));
          throw error;
        }),
      ),
    );
    const failed = started.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    const codes = await Promise.all(runs.map((run) => run.ended));
    return signals.exitCode(codes.find((code) => code !== 0) ?? 0);
  } finally {
    signals.release();
    process.off("exit", killAll);
  }
}

async function refuseRunning(plans: readonly ReadyPlan[], { env }: CliContext): Promise<void> {
  const running = await readRecords(env);
  for (const { appId } of plans) {
    const other = running.find((record) => record.appId === appId);
    if (!other) continue;
    const hint = `stop it with \`mecha stop ${appId}\`, or give this one another --app-id`;
    throw new CliError(`an app with id ${appId} is already running (process ${other.cli.pid})`, { hint });
  }
}

function announce(plans: readonly ReadyPlan[], { out }: CliContext, console: ConsoleLog): void {
  const [only] = plans;
  if (plans.length === 1 && only) {
    const http = only.place.httpSocket ?? `http://127.0.0.1:${only.place.httpPort}`;
    const grpc = only.grpcPort === undefined ? "" : `, gRPC ${only.grpcPort}`;
    console.note(`${only.appId}: sidecar at ${http}${grpc}, components: ${only.resourcesSaid}`);
    return;
  }
  const columns = [
    { title: "APP" },
    { title: "HTTP", align: "right" },
    { title: "GRPC", align: "right" },
    { title: "APP PORT", align: "right" },
    { title: "COMPONENTS", wraps: true },
    { title: "COMMAND", wraps: true },
  ] as const;
  const rows = plans.map(({ appId, place, grpcPort, appPort, resourcesSaid, command }) => [
    appId,
    String(place.httpPort ?? ""),
    String(grpcPort ?? ""),
    String(appPort ?? ""),
    resourcesSaid,
    command.join(" ") || "(sidecar only)",
  ]);
  out.write(`${formatTable(columns, rows, out)}\n`);
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const signalNumbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

/** The first signal stops, the second one ends at once. */
function onSignals(console: ConsoleLog, stop: () => Promise<unknown>, kill: () => void) {
  let first: (typeof stopSignals)[number] | undefined;
  const handle = (signal: NodeJS.Signals) => {
    if (first !== undefined) {
      kill();
      process.exit(128 + signalNumbers[first]);
    }
    first = signal as (typeof stopSignals)[number];
    console.note(first === "SIGINT" ? "stopping; once more to end at once" : "stopping");
    void stop();
  };
  for (const signal of stopSignals) process.on(signal, handle);
  return {
    /** An app that our own signal has ended did not fail: the code says which signal reached us. */
    exitCode: (code: number) =>
      first !== undefined && code === 128 + signalNumbers.SIGTERM ? 128 + signalNumbers[first] : code,
    release: () => {
      for (const signal of stopSignals) process.off(signal, handle);
    },
  };
}
