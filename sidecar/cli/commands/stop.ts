import { CliError, usageExitCode } from "../failure.ts";
import { isAlive, type ProcessMark, signalGroup, untilGone } from "../processes.ts";
import { findRunFile } from "../run/run-file.ts";
import { type RunRecord, readRecords, removeRecord, requireRecord } from "../run-records.ts";
import { type AddCommand, wholeNumber, withExamples, writeJson } from "../session.ts";

const defaultTimeoutSeconds = 30;
const forceMs = 5_000;

export const addStop: AddCommand = (program, session) => {
  const command = program
    .command("stop")
    .summary("stop running apps")
    .description(
      "Stops an app and its sidecar, or all apps of a run file. Asks first, and ends by force what does not listen.",
    )
    .argument("[app-id...]", "the apps to stop")
    .option("-f, --run-file <path>", "stop the apps of a run file, or of the one in a folder")
    .option(
      "--timeout <seconds>",
      "how long to wait before ending by force",
      wholeNumber("--timeout"),
      defaultTimeoutSeconds,
    )
    .option("--json", "write JSON");
  withExamples(command, [
    ["mecha stop orders", "stop one app"],
    ["mecha stop orders payments", "stop two"],
    ["mecha stop -f .", "stop what `mecha run -f .` has started"],
  ]);
  command.action(async (appIds: string[], options: { runFile?: string; timeout: number; json?: true }) => {
    const { context } = session;
    const records =
      options.runFile === undefined ? [] : await ofRunFile(findRunFile(options.runFile, context.cwd), context.env);
    for (const appId of appIds) records.push(await requireRecord(appId, context.env));
    if (records.length === 0) {
      throw new CliError("nothing to stop is named", {
        hint: "name an app id, or a run file with -f; see `mecha list`",
        exitCode: usageExitCode,
      });
    }
    await stopAll(records, options.timeout * 1000, context.env);
    const stopped = records.map(({ appId }) => appId);
    if (options.json) writeJson(context, { stopped });
    else for (const appId of stopped) context.out.write(`stopped ${appId}\n`);
  });
};

type Env = Readonly<Record<string, string | undefined>>;

async function ofRunFile(path: string, env: Env): Promise<RunRecord[]> {
  const records = await readRecords(env);
  const found = records.filter(({ runFile }) => runFile === path);
  if (found.length > 0) return found;
  const files = [...new Set(records.flatMap(({ runFile }) => runFile ?? []))];
  throw new CliError(`no app of ${path} is running`, {
    hint: files.length > 0 ? `running: ${files.join(", ")}` : "see `mecha list`",
  });
}

/** Asks the command that runs the apps when all of its apps are meant; else ends each app by itself. */
async function stopAll(records: readonly RunRecord[], ms: number, env: Env): Promise<void> {
  const running = await readRecords(env);
  const byCommand = Map.groupBy(records, ({ cli }) => cli.pid);
  await Promise.all(
    [...byCommand].map(async ([pid, mine]) => {
      const { cli } = mine[0] as RunRecord;
      const whole = running.filter((record) => record.cli.pid === pid).length === mine.length;
      if (isAlive(cli) && whole) await stopCommand(cli, ms);
      else await Promise.all(mine.map((record) => stopOne(record, ms, env)));
    }),
  );
}

async function stopCommand(cli: ProcessMark, ms: number): Promise<void> {
  process.kill(cli.pid, "SIGTERM");
  if (await untilGone([cli], ms)) return;
  // The second one makes it end its children and itself at once.
  process.kill(cli.pid, "SIGTERM");
  await untilGone([cli], forceMs);
}

/**
 * Ends one app. Its command sees the app go and stops the sidecar, or the other way around; the other apps of a run file
 * go on.
 */
async function stopOne({ appId, cli, sidecar, app }: RunRecord, ms: number, env: Env): Promise<void> {
  const all = app ? [app, sidecar] : [sidecar];
  // Without its command nobody is left who would stop the other one.
  const asked = isAlive(cli) ? all.slice(0, 1) : all;
  for (const one of asked) if (isAlive(one)) signalGroup(one.pid, "SIGTERM");
  if (!(await untilGone(all, ms))) {
    for (const one of all) if (isAlive(one)) signalGroup(one.pid, "SIGKILL");
    await untilGone(all, forceMs);
  }
  if (!isAlive(cli)) await removeRecord(appId, env);
}
