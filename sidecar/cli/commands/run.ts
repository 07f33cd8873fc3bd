import { resolve } from "node:path";
import type { Command } from "commander";
import { CliError, usageExitCode } from "../failure.ts";
import type { AppPlan } from "../run/plan.ts";
import { addSidecarOptions } from "../run/sidecar-options.ts";
import { type AddCommand, type Session, wholeNumber, withExamples } from "../session.ts";

const defaultGraceSeconds = 10;

export const addRun: AddCommand = (program, session) => {
  const command = program
    .command("run")
    .summary("run an app beside its sidecar")
    .description(
      "Runs a command beside a sidecar of its own: finds free ports, tells the app where the sidecar is, and ends with the app's exit code.",
    )
    .argument("[command...]", "the app and its arguments, after --; only the sidecar runs when left out")
    .usage("[options] [-- <command>...]")
    .passThroughOptions()
    .option("-f, --run-file <path>", "run the apps of a mecha.yaml or dapr.yaml, or of the one in a folder")
    .option(
      "--stop-timeout <seconds>",
      "how long the app may take to end when it is asked to",
      wholeNumber("--stop-timeout"),
      defaultGraceSeconds,
    );
  const flags = addSidecarOptions(command);
  withExamples(command, [
    ["mecha run -- node app.js", "the app and a sidecar on embedded components"],
    ["mecha run -a orders -p 8080 -- npm start", "an app that the sidecar calls on port 8080"],
    ["mecha run -d ./components -- python app.py", "components from a folder"],
    ["mecha run --app-id tools", "a sidecar alone"],
    ["mecha run -f .", "every app of ./mecha.yaml or ./dapr.yaml"],
  ]);
  command.action(async (words: string[], options: { runFile?: string; stopTimeout: number }) => {
    const { context } = session;
    const plans =
      options.runFile === undefined
        ? [await toPlan(words, flags, session)]
        : await fromFile(options.runFile, words, flags, command, session);
    const { completePlans } = await import("../run/plan.ts");
    const { runApps } = await import("../run/run-apps.ts");
    session.exitCode = await runApps(await completePlans(plans, context.env), {
      context,
      appGraceMs: options.stopTimeout * 1000,
    });
  });
};

type Given = ReadonlyMap<string, readonly string[]>;

async function toPlan(command: readonly string[], given: Given, { context }: Session): Promise<AppPlan> {
  const { chooseAppId } = await import("../run/app-id.ts");
  const { findResourceFolder } = await import("../run/resource-folder.ts");
  const flags = new Map(given);
  const appId = flags.get("app-id")?.at(-1) ?? (await chooseAppId(context));
  flags.delete("app-id");
  const found = findResourceFolder(context.cwd);
  return {
    appId,
    cwd: context.cwd,
    command,
    flags,
    env: {},
    dataDir: resolve(context.cwd, ".mecha"),
    resources: found === undefined ? undefined : [found],
    appLog: "console",
    sidecarLog: "console",
  };
}

async function fromFile(path: string, words: readonly string[], given: Given, command: Command, { context }: Session) {
  const [flag] = given.keys();
  if (flag !== undefined || words.length > 0) {
    const what = flag === undefined ? `the command ${JSON.stringify(words.join(" "))}` : `--${flag}`;
    throw new CliError(`${command.name()} -f takes everything from the file, not ${what}`, {
      hint: `write it into ${path}`,
      exitCode: usageExitCode,
    });
  }
  const { findRunFile, loadRunFile } = await import("../run/run-file.ts");
  const { formatProblem } = await import("../../config/problems.ts");
  const file = await loadRunFile(findRunFile(path, context.cwd));
  for (const problem of file.problems) context.err.write(`warning: ${formatProblem(problem)}\n`);
  return file.plans;
}
