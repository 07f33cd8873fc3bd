import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { CliError, usageExitCode } from "./failure.ts";

/** One call of `mecha`. */
export interface Session {
  readonly context: CliContext;
  /** What the process ends with. */
  exitCode: number;
}

/** Adds one command to the program. */
export type AddCommand = (program: Command, session: Session) => void;

/** Adds examples to a command's help, each a command line and what it does. */
export function withExamples(command: Command, examples: readonly (readonly [line: string, about: string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, about]) => `  ${line.padEnd(width)}  ${about}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** Writes data for a program to read. */
export function writeJson({ out }: CliContext, value: unknown): void {
  out.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Collects an option that may be repeated. */
export const collect = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

/** Reads a whole number of at least `least`. */
export const wholeNumber =
  (name: string, least = 0) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least) return value;
    throw new CliError(`${name} must be a whole number of ${least} or more, got ${JSON.stringify(text)}`, {
      exitCode: usageExitCode,
    });
  };

/** Reads `key=value` texts. Throws a CliError that names the one which is none. */
export function readPairs(option: string, texts: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new CliError(`${option} ${JSON.stringify(text)} has no value`, {
        hint: `write ${option} ${text}=value`,
        exitCode: usageExitCode,
      });
    }),
  );
}
