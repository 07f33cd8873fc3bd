import { Argument } from "commander";
import { completionScript, type Shell, shells } from "../completion.ts";
import { type AddCommand, withExamples } from "../session.ts";

export const addCompletion: AddCommand = (program, session) => {
  const command = program
    .command("completion")
    .summary("write a script for your shell")
    .description("Writes the script that completes commands, options and app ids.")
    .addArgument(new Argument("<shell>").choices(shells));
  withExamples(command, [
    ["source <(mecha completion bash)", "in ~/.bashrc"],
    ["source <(mecha completion zsh)", "in ~/.zshrc, after compinit"],
    ["mecha completion fish | source", "in ~/.config/fish/config.fish"],
  ]);
  command.action((shell: Shell) => session.context.out.write(completionScript(program, shell)));
};
