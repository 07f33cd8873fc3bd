import { existsSync } from "node:fs";
import { CliError } from "../failure.ts";
import { painter } from "../paint.ts";
import { decodeLogLine, type LogLine } from "../run/log-line.ts";
import { shortenSidecarLine } from "../run/sidecar-line.ts";
import { logFileOf, readRecords, runningHint } from "../run-records.ts";
import { type AddCommand, type Session, wholeNumber, withExamples } from "../session.ts";

interface Options {
  readonly follow?: true;
  readonly tail?: number;
  readonly app?: true;
  readonly sidecar?: true;
  readonly json?: true;
}

export const addLogs: AddCommand = (program, session) => {
  const command = program
    .command("logs")
    .summary("show what an app and its sidecar have written")
    .description("Shows the lines of an app and its sidecar, those of its last run when it has ended.")
    .argument("<app-id>")
    .option("-f, --follow", "go on with new lines until the app has ended")
    .option("-n, --tail <lines>", "only so many lines from the end", wholeNumber("--tail"))
    .option("--app", "only lines of the app")
    .option("--sidecar", "only lines of the sidecar")
    .option("--json", "write one JSON object per line");
  withExamples(command, [
    ["mecha logs orders", "everything"],
    ["mecha logs orders -f --app", "the app's lines as they come"],
    ["mecha logs orders --sidecar -n 50", "the sidecar's last 50"],
  ]);
  command.action(async (appId: string, options: Options) => {
    const { context } = session;
    const path = logFileOf(appId, context.env);
    const records = await readRecords(context.env);
    if (!existsSync(path))
      throw new CliError(`no app with id ${appId} has run here`, { hint: runningHint(appId, records) });
    const { followLines, LogTail } = await import("../run/read-log.ts");
    const show = shower(options, session);
    const sources = (["app", "sidecar"] as const).filter((source) => options[source]);
    const wanted = ({ source }: LogLine) => sources.length === 0 || sources.some((one) => one === source);
    const tail = new LogTail(path);
    const lines = (await tail.read()).map(decodeLogLine).filter(wanted);
    for (const line of options.tail === undefined ? lines : lines.slice(Math.max(0, lines.length - options.tail)))
      show(line);
    if (!options.follow) return;
    const isRunning = async () => (await readRecords(context.env)).some((record) => record.appId === appId);
    for await (const text of followLines(tail, isRunning)) {
      const line = decodeLogLine(text);
      if (wanted(line)) show(line);
    }
  });
};

function shower({ json }: Options, { context: { out } }: Session): (line: LogLine) => void {
  if (json) return (line) => out.write(`${JSON.stringify(line)}\n`);
  const paint = painter(out);
  const styles = { app: "cyan", sidecar: "gray", mecha: "gray" } as const;
  return ({ source, text }) => {
    const shown = source === "sidecar" && out.colors ? shortenSidecarLine(text, paint) : text;
    out.write(`${paint(styles[source], source.padEnd("sidecar".length))} ${paint("gray", "│")} ${shown}\n`);
  };
}
