import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { addCompletion } from "./commands/completion.ts";
import { addComponents } from "./commands/components.ts";
import { addConfiguration } from "./commands/configuration.ts";
import { addInit } from "./commands/init.ts";
import { addInvoke } from "./commands/invoke.ts";
import { addLint } from "./commands/lint.ts";
import { addList } from "./commands/list.ts";
import { addLogs } from "./commands/logs.ts";
import { addPublish } from "./commands/publish.ts";
import { addRun } from "./commands/run.ts";
import { addState } from "./commands/state.ts";
import { addStop } from "./commands/stop.ts";
import { addSubscriptions } from "./commands/subscriptions.ts";
import { addVersion } from "./commands/version.ts";
import type { CliContext } from "./context.ts";
import { CliError, usageExitCode } from "./failure.ts";
import { painter } from "./paint.ts";
import { spellOutSwitches } from "./run/sidecar-options.ts";
import { type AddCommand, type Session, withExamples } from "./session.ts";

/** In the order of the help. */
const commands: readonly AddCommand[] = [
  addRun,
  addInit,
  addLint,
  addList,
  addStop,
  addLogs,
  addInvoke,
  addPublish,
  addState,
  addConfiguration,
  addSubscriptions,
  addComponents,
  addCompletion,
  addVersion,
];

/** The command line of `mecha`, for one call. */
export function createProgram(session: Session): Command {
  const { out, err } = session.context;
  const program = new Command("mecha")
    .description("Runs apps beside a sidecar: state, messaging, invocation and more over HTTP and gRPC on localhost.")
    .version(version, "-V, --version", "write the version")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => err.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "mecha: ")),
      getOutHelpWidth: () => Math.min(out.columns, 120),
      getOutHasColors: () => out.colors,
      getErrHasColors: () => err.colors,
    })
    .configureHelp({
      styleTitle: (text) => painter(out)("bold", text),
      styleCommandText: (text) => painter(out)("cyan", text),
    });
  withExamples(program, [
    ["mecha run -- node app.js", "an app beside a sidecar, nothing to set up"],
    ["mecha init && mecha lint", "components to start from, checked"],
    ["mecha run -f .", "every app of ./mecha.yaml"],
    ["mecha help run", "more about a command"],
  ]);
  for (const add of commands) add(program, session);
  return program;
}

/** Runs one command line, given without the program's name. Resolves with the exit code; what is wrong is written. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  const session: Session = { context, exitCode: 0 };
  const program = createProgram(session);
  try {
    const [name, ...rest] = argv;
    const run = program.commands.find((command) => command.name() === "run");
    const spelt = name === "run" && run ? [name, ...spellOutSwitches(rest, run.options)] : argv;
    await program.parseAsync(spelt, { from: "user" });
    return session.exitCode;
  } catch (error) {
    // It has said what is wrong, or given its help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExitCode;
    if (!(error instanceof CliError)) throw error;
    context.err.write(`${painter(context.err)("red", "mecha:")} ${error.line}\n`);
    return error.exitCode;
  }
}
