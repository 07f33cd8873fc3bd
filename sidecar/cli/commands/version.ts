import { version } from "../../version.ts";
import { type AddCommand, withExamples, writeJson } from "../session.ts";

export const addVersion: AddCommand = (program, session) => {
  const command = program
    .command("version")
    .summary("write the version")
    .description("Writes the version of mecha and of its sidecar.");
  command.option("--json", "write JSON");
  withExamples(command, [["mecha version --json", "with the version of Node"]]);
  command.action((options: { json?: true }) => {
    const { context } = session;
    if (options.json)
      writeJson(context, { version, node: process.version, platform: `${process.platform}-${process.arch}` });
    else context.out.write(`${version}\n`);
  });
};
