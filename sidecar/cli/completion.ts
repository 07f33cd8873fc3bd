import type { Command } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** What may follow one command. */
interface Node {
  /** Words that lead here: `state get`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly about: string }[];
  readonly options: readonly { readonly name: string; readonly about: string; readonly takesValue: boolean }[];
  /** Whether its first argument is the id of a running app. */
  readonly takesAppId: boolean;
}

/** The script that lets a shell complete the program's commands, options and the ids of running apps. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = collectNodes(program, []);
  switch (shell) {
    case "bash":
      return bash(nodes);
    case "zsh":
      // zsh understands the functions of bash, after this.
      return `#compdef mecha\nautoload -Uz bashcompinit && bashcompinit\n${bash(nodes)}`;
    case "fish":
      return fish(nodes);
  }
}

function collectNodes(command: Command, path: readonly string[]): Node[] {
  const help = command.createHelp();
  const commands = help
    .visibleCommands(command)
    .map((one) => ({ name: one.name(), about: one.summary() || one.description() }));
  const options = help
    .visibleOptions(command)
    .flatMap(({ long, short, description, required }) =>
      [long, short].flatMap((name) => (name ? [{ name, about: description, takesValue: required }] : [])),
    );
  const takesAppId = command.registeredArguments[0]?.name() === "app-id";
  const below = command.commands.flatMap((one) => collectNodes(one, [...path, one.name()]));
  return [{ path: path.join(" "), commands, options, takesAppId }, ...below];
}

const appIds = "mecha list --quiet 2>/dev/null";
const values = { "--app-id": appIds, "-a": appIds };
const folders = "--resources-path|-d|--run-file|-f|--config|-c|--data-file|--unix-domain-socket|-u";

function bash(nodes: readonly Node[]): string {
  const cases = nodes.map(({ path, commands, options, takesAppId }) => {
    const words = [...commands, ...options].map(({ name }) => name).join(" ");
    return `    "${path}") words="${words}"${takesAppId ? `; [[ $current == -* ]] || words+=" $(${appIds})"` : ""} ;;`;
  });
  const paths = nodes.map(({ path }) => path).filter(Boolean);
  return `_mecha() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" word words="" at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    # behind -- stands a command of its own
    [[ $word == -- ]] && { COMPREPLY=($(compgen -c -f -- "$current")); return; }
    case " $path $word" in
${paths.map((path) => `      "  ${path}"|" ${path}") path="${path}" ;;`).join("\n")}
    esac
  done
  case "$previous" in
    ${Object.keys(values).join("|")}) COMPREPLY=($(compgen -W "$(${appIds})" -- "$current")); return ;;
    ${folders}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _mecha mecha
`;
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options, takesAppId }) => {
    const names = commands.map(({ name }) => name).join(" ");
    const where = path === "" ? "__fish_use_subcommand" : fishCondition(path, names);
    return [
      ...commands.map(({ name, about }) => `complete -c mecha -f -n '${where}' -a ${name} -d ${quoted(about)}`),
      ...options.map(({ name, about, takesValue }) => {
        const flag = name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
        const value = name in values ? ` -xa '(${appIds})'` : takesValue ? " -r" : "";
        return `complete -c mecha -n '${where}' ${flag}${value} -d ${quoted(about)}`;
      }),
      ...(takesAppId ? [`complete -c mecha -f -n '${where}' -a '(${appIds})'`] : []),
    ];
  });
  return `${lines.join("\n")}\n`;
}

function fishCondition(path: string, below: string): string {
  const seen = path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
  return [...seen, ...(below ? [`not __fish_seen_subcommand_from ${below}`] : [])].join("; and ");
}

/** A text in single quotes, as fish reads them. */
const quoted = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;
