import type { Flag } from "./flag.ts";
import { flags } from "./flags.ts";

const shown: Record<Flag["type"], string> = {
  text: "text",
  choice: "word",
  switch: "",
  "optional-switch": "",
  integer: "number",
  port: "port",
  "optional-port": "port",
  duration: "duration",
  bytes: "size",
  list: "a,b",
};

const entries = Object.entries(flags) as [string, Flag][];

/** The text that `--help` prints: all flags by group, with defaults. */
export function flagsHelp(program: string): string {
  const groups = Map.groupBy(entries, ([, flag]) => flag.group);
  const lines = [`Usage: ${program} --app-id <id> [flags]`];
  for (const [group, members] of groups) {
    lines.push("", `${group[0]?.toUpperCase()}${group.slice(1)}:`);
    for (const [name, flag] of members) {
      const value = shown[flag.type];
      lines.push(`  --${name}${value && ` <${value}>`}`, `        ${explanation(flag)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The same list as a Markdown table, for the docs. */
export function flagsMarkdown(): string {
  const rows = entries.map(([name, flag]) => {
    const type = flag.values ? flag.values.join(", ") : flag.type.replace("optional-", "");
    return `| \`--${name}\` | ${type} | ${flag.default ?? ""} | ${flag.env ? `\`${flag.env}\`` : ""} | ${notes(flag)} |`;
  });
  return ["| Flag | Value | Default | Variable | Meaning |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}

function explanation(flag: Flag): string {
  const facts = [
    flag.values && flag.type === "choice" && `one of ${flag.values.join(", ")}`,
    flag.default && `default ${flag.default}`,
    flag.env && `or ${flag.env}`,
  ].filter(Boolean);
  return notes(flag) + (facts.length > 0 ? ` (${facts.join("; ")})` : "");
}

function notes(flag: Flag): string {
  const deprecated = flag.deprecated ? ` Deprecated: use ${flag.deprecated}.` : "";
  const unused = flag.unused ? ` No effect: ${flag.unused}.` : "";
  const ours = flag.ours ? " Our own flag." : "";
  return flag.description + deprecated + unused + ours;
}
