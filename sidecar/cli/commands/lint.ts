import type { Problem } from "../../kernel/config-types.ts";
import type { Output } from "../context.ts";
import type { LintResult } from "../lint/lint.ts";
import { painter } from "../paint.ts";
import { type AddCommand, withExamples, writeJson } from "../session.ts";

export const addLint: AddCommand = (program, session) => {
  const command = program
    .command("lint")
    .summary("check resources and run files")
    .description(
      "Checks components, subscriptions, resiliency, configurations and run files strictly: unknown keys, component types and settings, expressions, and names that resources refer to. Ends with code 1 when something is wrong.",
    )
    .argument("[path...]", "files or folders; what `mecha run` would use here when left out")
    .option("--json", "write JSON");
  withExamples(command, [
    ["mecha lint", "what this folder's apps run on"],
    ["mecha lint components config.yaml", "a folder and a file"],
    ["mecha lint --json | jq '.problems[].message'", "for a program"],
  ]);
  command.action(async (paths: string[], options: { json?: true }) => {
    const { context } = session;
    const { lint } = await import("../lint/lint.ts");
    const result = await lint(paths, context);
    const errors = result.problems.filter(({ severity }) => severity === "error").length;
    session.exitCode = errors > 0 ? 1 : 0;
    if (options.json) return writeJson(context, { ok: errors === 0, ...result });
    context.out.write(report(result, context.out));
  });
};

function report({ problems, files, resources }: LintResult, out: Output): string {
  const paint = painter(out);
  const lines = problems.map((problem) => problemLine(problem, out));
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const checked = `${count(resources, "resource")} in ${count(files, "file")}`;
  const warnings = problems.length - errors;
  const found = [errors > 0 && count(errors, "problem"), warnings > 0 && count(warnings, "warning")]
    .filter(Boolean)
    .join(", ");
  const verdict = errors > 0 ? paint("red", found) : paint(warnings > 0 ? "yellow" : "green", found || "no problems");
  return `${[...lines, `${checked}: ${verdict}`].join("\n")}\n`;
}

/** As a compiler would write it: `components/state.yaml:12:5: error: spec.type: …; did you mean "state.sqlite"?` */
function problemLine({ file, line = 1, column = 1, severity, keyPath, message, hint }: Problem, out: Output): string {
  const paint = painter(out);
  const place = file === undefined ? "" : `${paint("bold", `${file}:${line}:${column}:`)} `;
  const word = paint(severity === "error" ? "red" : "yellow", `${severity}:`);
  return `${place}${word} ${keyPath ? `${keyPath}: ` : ""}${message}${hint ? paint("gray", `; ${hint}`) : ""}`;
}

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
