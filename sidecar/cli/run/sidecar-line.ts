import type { Paint, Style } from "../paint.ts";

/** Fields that say the same in every line. */
const constant = new Set(["time", "level", "msg", "app_id", "instance", "type", "ver", "scope"]);

const levels: Readonly<Record<string, Style>> = {
  debug: "gray",
  info: "green",
  warn: "yellow",
  error: "red",
  fatal: ["red", "bold"],
};

/**
 * Makes a log line of the sidecar short: time of day, level, message, and the fields that differ from line to line. Any
 * other line comes back as it is.
 */
export function shortenSidecarLine(line: string, paint: Paint): string {
  const fields = readLogfmt(line);
  const message = fields?.get("msg");
  const level = fields?.get("level");
  if (fields === undefined || message === undefined || level === undefined) return line;
  const time = /T(\d\d:\d\d:\d\d)/.exec(fields.get("time") ?? "")?.[1];
  const rest = [...fields].filter(([key]) => !constant.has(key)).map(([key, value]) => `${key}=${value}`);
  const parts = [time && paint("gray", time), paint(levels[level] ?? "gray", level.padEnd(5)), message];
  if (rest.length > 0) parts.push(paint("gray", rest.join(" ")));
  return parts.filter(Boolean).join(" ");
}

/** Fields of `a=b c="d e"`, or undefined when the line is not of this form. */
function readLogfmt(line: string): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  const pair = /(\w[\w.-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)/y;
  while (pair.lastIndex < line.length) {
    const [, key, value] = pair.exec(line) ?? [];
    if (key === undefined || value === undefined) return undefined;
    fields.set(key, value.startsWith('"') ? unquoted(value) : value);
  }
  return fields;
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}
