import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { causeText } from "../../../specs/errors.ts";
import type { CliContext } from "../context.ts";
import { CliError } from "../failure.ts";
import { markProcess } from "../processes.ts";
import { logFileOf, type RunRecord, removeRecord, writeRecord } from "../run-records.ts";
import { callSidecar } from "../sidecar-client.ts";
import { Child, type ChildSpec, type Ending, exitCodeOf, type Stream } from "./child.ts";
import type { ConsoleLog } from "./console-log.ts";
import { untilOutboundReady } from "./health.ts";
import { LogFile } from "./log-file.ts";
import { encodeLogLine, type Source } from "./log-line.ts";
import type { Destination, ReadyPlan } from "./plan.ts";

/** How long a sidecar may take until its APIs are open. */
const startTimeoutMs = 60_000;
const metadataTimeoutMs = 2_000;
/** How much of a sidecar's output is repeated when it ends too early. */
const lastLines = 15;

/** What a shell says of a program that SIGTERM has ended. */
const stoppedCode = 143;

const mechad = join(import.meta.dirname, "../../../bin/mechad");

export interface AppRunParts {
  readonly plan: ReadyPlan;
  readonly context: CliContext;
  readonly console: ConsoleLog;
  /** How long the app may take to end after it was asked to. */
  readonly appGraceMs: number;
  /** What the app reads from. */
  readonly stdin: ChildSpec["stdin"];
}

/** One app beside its sidecar, from start to end: they go together. */
export class AppRun {
  /** Settles with the exit code when nothing of the run is left. */
  readonly ended: Promise<number>;
  readonly #parts: AppRunParts;
  readonly #end = Promise.withResolvers<number>();
  readonly #stopping = new AbortController();
  readonly #recent: string[] = [];
  readonly #log: LogFile;
  readonly #files = new Map<Source, LogFile>();
  #sidecar: Child | undefined;
  #app: Child | undefined;
  #record: RunRecord | undefined;

  constructor(parts: AppRunParts) {
    this.#parts = parts;
    this.ended = this.#end.promise;
    const { appId, logFolder, appLog, sidecarLog } = parts.plan;
    this.#log = new LogFile(logFileOf(appId, parts.context.env));
    if (logFolder === undefined) return;
    const stamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
    const file = (name: string) => new LogFile(join(logFolder, `${appId}_${name}_${stamp}.log`));
    if (appLog !== "console") this.#files.set("app", file("app"));
    if (sidecarLog !== "console") this.#files.set("sidecar", file("daprd"));
  }

  get appId(): string {
    return this.#parts.plan.appId;
  }

  /**
   * Starts the sidecar, waits until it serves, and starts the app. Settles when both run, or when `stop` was called.
   * Rejects with a CliError, and has stopped everything, when one of them cannot be started.
   */
  async start(): Promise<void> {
    try {
      await this.#startSidecar();
      if (this.#stopping.signal.aborted) return await this.#finish(undefined);
      await this.#startApp();
      void this.#watch();
    } catch (error) {
      await this.#finish(undefined);
      throw error;
    }
  }

  /** Asks the app to end, then the sidecar. Settles when both have. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#app?.stop(this.#parts.appGraceMs);
    // Without an app nobody else tells the sidecar.
    await this.#stopSidecar();
    await this.ended;
  }

  /** Ends both at once; for the moment before this process ends itself. */
  kill(): void {
    this.#app?.kill();
    this.#sidecar?.kill();
  }

  async #startSidecar(): Promise<void> {
    const { plan, context } = this.#parts;
    const { appId, cwd, place } = plan;
    if (place.httpSocket !== undefined) await mkdir(dirname(place.httpSocket), { recursive: true });
    const sidecar = await Child.start({
      command: [process.execPath, mechad, ...plan.sidecarArgs],
      cwd,
      env: plan.sidecarEnv,
      stdin: "open",
      onLine: (text) => {
        this.#recent.push(text);
        if (this.#recent.length > lastLines) this.#recent.shift();
        this.#take("sidecar", text, "stdout");
      },
    }).catch((cause: unknown) => {
      throw new CliError(`the sidecar of ${appId} cannot be started in ${cwd}: ${causeText(cause)}`, { cause });
    });
    this.#sidecar = sidecar;
    this.#record = this.#describe(sidecar);
    await writeRecord(this.#record, context.env);
    const gaveUp = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(startTimeoutMs)]);
    const early = new AbortController();
    const died = sidecar.ended.then((ending) => {
      early.abort();
      return ending;
    });
    const isReady = await untilOutboundReady(place, startTimeoutMs, AbortSignal.any([gaveUp, early.signal]));
    if (isReady || this.#stopping.signal.aborted) return;
    if (early.signal.aborted) throw this.#sidecarDied(await died);
    const hint = `it was given ${startTimeoutMs / 1000} s; see its lines above or \`mecha logs ${appId}\``;
    throw new CliError(`the sidecar of ${appId} did not open its APIs`, { hint });
  }

  async #startApp(): Promise<void> {
    const { command, cwd, appEnv, appId } = this.#parts.plan;
    const { env } = this.#parts.context;
    await this.#tell("cliPID", String(process.pid));
    const [program, ...args] = command;
    if (program === undefined) return;
    const app = await Child.start({
      command: [program, ...args],
      cwd,
      env: appEnv,
      stdin: this.#parts.stdin,
      onLine: (text, stream) => this.#take("app", text, stream),
    }).catch((cause: NodeJS.ErrnoException) => {
      const missing = cause.code === "ENOENT";
      const message = missing ? `${program} is not found` : `${program} cannot be run: ${causeText(cause)}`;
      const hint = missing ? `check the name and the folder ${cwd}` : undefined;
      throw new CliError(`${appId}: ${message}`, { ...(hint && { hint }), exitCode: missing ? 127 : 126, cause });
    });
    this.#app = app;
    if (this.#stopping.signal.aborted) void app.stop(this.#parts.appGraceMs);
    this.#record = { ...(this.#record as RunRecord), app: markProcess(app.pid) };
    await writeRecord(this.#record, env);
    await this.#tell("appPID", String(app.pid));
    await this.#tell("appCommand", command.join(" "));
  }

  /** Sees both through to their end. */
  async #watch(): Promise<void> {
    const sidecar = this.#sidecar as Child;
    const app = this.#app;
    const appEnded = app?.ended.then((ending) => ({ who: "app" as const, ending })) ?? new Promise<never>(() => {});
    const sidecarEnded = sidecar.ended.then((ending) => ({ who: "sidecar" as const, ending }));
    const { who, ending } = await Promise.race([appEnded, sidecarEnded]);
    const asked = this.#stopping.signal.aborted;
    if (who === "app") {
      const code = exitCodeOf(ending);
      if (!asked) this.#say(`${this.appId} ended with code ${code}; stopping its sidecar`);
      await this.#finish(code);
    } else if (asked) {
      await this.#finish(exitCodeOf(ending));
    } else if (app === undefined && ending.code === 0) {
      await this.#finish(0);
    } else {
      const { message } = this.#sidecarDied(ending);
      this.#say(app === undefined ? message : `${message}\nstopping ${this.appId}`, "stderr");
      await this.#finish(exitCodeOf(ending) || 1);
    }
  }

  async #finish(code: number | undefined): Promise<void> {
    try {
      await this.#app?.stop(this.#parts.appGraceMs);
      await this.#stopSidecar();
      if (this.#record) await removeRecord(this.appId, this.#parts.context.env);
      await Promise.all([this.#log, ...this.#files.values()].map((file) => file.close()));
    } finally {
      this.#end.resolve(code ?? (this.#stopping.signal.aborted ? stoppedCode : 1));
    }
  }

  async #stopSidecar(): Promise<void> {
    // It ends by itself in time, or not at all.
    await this.#sidecar?.stop(this.#parts.plan.gracefulMs + 1_000);
  }

  #sidecarDied(ending: Ending): CliError {
    const how = ending.signal === null ? `with code ${ending.code}` : `by ${ending.signal}`;
    const last = this.#recent.map((line) => `  ${line}`).join("\n");
    return new CliError(`the sidecar of ${this.appId} ended ${how}${last ? `; its last lines:\n${last}` : ""}`);
  }

  /** Gives the sidecar a word about this run for its metadata. */
  async #tell(key: string, value: string): Promise<void> {
    const { place, sidecarEnv } = this.#parts.plan;
    try {
      const call = { method: "PUT", path: `/v1.0/metadata/${key}`, body: value, timeoutMs: metadataTimeoutMs };
      await callSidecar(place, sidecarEnv["DAPR_API_TOKEN"], { ...call, headers: { "content-type": "text/plain" } });
    } catch (error) {
      // For people who look; the run does not depend on it.
      this.#say(`the metadata ${key} could not be set: ${causeText(error)}`, "stderr");
    }
  }

  #say(text: string, stream: Stream = "stdout"): void {
    for (const line of text.split("\n")) {
      this.#log.write(encodeLogLine({ time: new Date().toISOString(), source: "mecha", text: line }));
      this.#parts.console.write(this.appId, "mecha", line, stream);
    }
  }

  #take(source: "app" | "sidecar", text: string, stream: Stream): void {
    const { plan, console } = this.#parts;
    const destination: Destination = source === "app" ? plan.appLog : plan.sidecarLog;
    this.#log.write(encodeLogLine({ time: new Date().toISOString(), source, text }));
    this.#files.get(source)?.write(text);
    if (destination !== "file") console.write(plan.appId, source, text, stream);
  }

  #describe(sidecar: Child): RunRecord {
    const { appId, place, grpcPort, appPort, metricsPort, command, cwd, runFile } = this.#parts.plan;
    return {
      appId,
      ...place,
      grpcPort,
      appPort,
      metricsPort,
      command,
      cwd,
      created: new Date().toISOString(),
      runFile,
      logFile: this.#log.path,
      cli: markProcess(process.pid),
      sidecar: markProcess(sidecar.pid),
    };
  }
}
