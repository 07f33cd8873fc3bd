import { causeText } from "../specs/errors.ts";
import { loadConfig } from "./config/config.ts";
import { parseFlags } from "./config/parse-flags.ts";
import { giveBackMemory } from "./give-back-memory.ts";
import { systemClock } from "./kernel/clock.ts";
import type { Config } from "./kernel/config-types.ts";
import { ownAddress } from "./kernel/own-address.ts";
import { type Sidecar, startSidecar } from "./main.ts";

export interface RunOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Text of --help. */
  readonly help: string;
}

const forcedExitMs = 100;
/** After the start-up itself, before the app is likely to be up. */
const giveBackMs = 300;
const waitPollMs = 100;

/** Runs one sidecar by its command line until a signal or the shutdown API ends it. Resolves with the exit code. */
export async function runSidecar(argv: readonly string[], { env, version, help }: RunOptions): Promise<number> {
  const { values } = parseFlags(argv, env);
  if (values.help) return print(help);
  if (values.version) return print(version);
  if (values["build-info"])
    return print(`Version: ${version}\nNode: ${process.version}\nPlatform: ${process.platform}/${process.arch}`);
  if (values.wait) return waitForSidecar(values["dapr-http-port"]);
  const end = Promise.withResolvers<"stop" | "reload">();
  let request = end;
  const stop = () => request.resolve("stop");
  let signals = 0;
  const onSignal = () => {
    // A second signal does not wait for anything.
    if (++signals > 1) process.exit(1);
    stop();
  };
  const onHangUp = () => request.resolve("reload");
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal).on("SIGHUP", onHangUp);
  try {
    for (;;) {
      request = Promise.withResolvers<"stop" | "reload">();
      if (signals > 0) stop();
      const config = await loadConfig(argv, env);
      // For what reads the environment: envRef, secretstores.local.env and programs that are started from here.
      Object.assign(process.env, ownVariables(config));
      const sidecar = await startSidecar(config, {
        env,
        version,
        onShutdown: (force) => (force ? systemClock.after(forcedExitMs, () => process.exit(1)) : stop()),
      });
      const cancel = systemClock.after(giveBackMs, giveBackMemory);
      const wanted = await request.promise;
      cancel();
      if (!(await stopInTime(sidecar))) process.exit(1);
      if (wanted === "stop") return 0;
    }
  } catch (error) {
    process.stderr.write(`${causeText(error)}\n`);
    return 1;
  } finally {
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal).off("SIGHUP", onHangUp);
  }
}

/** What the published sidecar puts into its own environment; ports that are chosen later are left out. */
function ownVariables({ appId, app, listen, hostIp, profile }: Config): Record<string, string> {
  const ports = {
    APP_PORT: app.port,
    DAPR_HTTP_PORT: listen.httpPort,
    DAPR_GRPC_PORT: listen.grpcPort,
    DAPR_PORT: listen.internalGrpcPort,
    DAPR_METRICS_PORT: listen.metrics.port,
    DAPR_PROFILE_PORT: profile.port,
  };
  const known = Object.entries(ports).flatMap(([name, port]) => (port ? [[name, String(port)] as const] : []));
  return { APP_ID: appId, HOST_ADDRESS: hostIp ?? ownAddress(""), ...Object.fromEntries(known) };
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** False: it did not stop within --dapr-graceful-shutdown-seconds. */
async function stopInTime(sidecar: Sidecar): Promise<boolean> {
  const { gracefulMs, blockMs = 0 } = sidecar.config.shutdown;
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => {
    // This timer alone may keep the process alive: it is what ends it.
    const timer = setTimeout(() => resolve(false), gracefulMs + blockMs);
    cancel = () => clearTimeout(timer);
  });
  const stopped = await Promise.race([sidecar.stop().then(() => true), late]);
  cancel();
  if (!stopped)
    sidecar.log.error(`shutdown took longer than ${gracefulMs} ms (--dapr-graceful-shutdown-seconds); ending at once`);
  return stopped;
}

/** --wait: ends when a sidecar on this machine has its outbound APIs open. */
async function waitForSidecar(port: number): Promise<number> {
  for (;;) {
    try {
      const { status } = await fetch(`http://127.0.0.1:${port}/v1.0/healthz/outbound`);
      if (status === 204) return 0;
    } catch {
      // Not there yet.
    }
    await new Promise((resolve) => setTimeout(resolve, waitPollMs));
  }
}
