/** Who wrote a line: the app, its sidecar, or `mecha` itself. */
export type Source = "app" | "sidecar" | "mecha";

/** A line in the log that `mecha logs` reads. */
export interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly source: Source;
  readonly text: string;
}

/** One line of the file: `2026-01-31T12:00:00.000Z app listening`. */
export function encodeLogLine({ time, source, text }: LogLine): string {
  return `${time} ${source} ${text}`;
}

/** Reads a line of the file back; a line that is none of ours came from the app. */
export function decodeLogLine(line: string): LogLine {
  const [, time = "", source = "app", text = line] = /^(\S+Z) (app|sidecar|mecha) (.*)$/s.exec(line) ?? [];
  return { time, source: source as Source, text };
}
