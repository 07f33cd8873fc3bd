import { painter } from "../paint.ts";
import { type AddCommand, withExamples, writeJson } from "../session.ts";

export const addInit: AddCommand = (program, session) => {
  const command = program
    .command("init")
    .summary("make components and a mecha.yaml to start from")
    .description(
      "Makes .mecha/components with one component per block and a mecha.yaml. Nothing is downloaded, and files that are there stay as they are.",
    )
    .option("--json", "write JSON");
  withExamples(command, [["mecha init", "in the folder of your project"]]);
  command.action(async (options: { json?: true }) => {
    const { context } = session;
    const { initProject } = await import("../init.ts");
    const { created, kept } = await initProject(context.cwd);
    if (options.json) return writeJson(context, { created, kept });
    const paint = painter(context.out);
    const lines = [
      ...created.map((path) => `${paint("green", "made")}  ${path}`),
      ...kept.map((path) => `${paint("gray", "kept")}  ${path}`),
    ];
    const next = [
      "mecha run -- <your command>   your app beside a sidecar with these components",
      "mecha run -f .                every app of mecha.yaml",
      "mecha lint                    checks what you change",
      "mecha components              what else a component can be made of",
    ];
    context.out.write(`${lines.join("\n")}\n\nNext:\n${next.map((line) => `  ${line}`).join("\n")}\n`);
  });
};
