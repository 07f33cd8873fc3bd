/** What a flag's value is read as. */
export type FlagType =
  /** Any text. */
  | "text"
  /** One of `values`. */
  | "choice"
  /** `--x`, `--x=true`, `--x false`. */
  | "switch"
  /** A switch that can also be left unset. */
  | "optional-switch"
  /** A whole number. */
  | "integer"
  /** A TCP port; 0 means any free one. */
  | "port"
  /** A TCP port; empty or 0 means none. */
  | "optional-port"
  /** A duration such as `30s`, kept in milliseconds; empty means unset. */
  | "duration"
  /** A size such as `4Mi`, kept in bytes. */
  | "bytes"
  /** Comma-separated texts; the flag may also be repeated. */
  | "list";

export interface Flag {
  readonly type: FlagType;
  readonly group: "app" | "api" | "resources" | "control plane" | "logs and metrics" | "life cycle";
  /** One sentence for `--help` and the docs. */
  readonly description: string;
  /** Absent: empty, false, or unset. */
  readonly default?: string;
  /** Accepted words of a choice, and of the entries of a list. */
  readonly values?: readonly string[];
  /** Environment variable that stands in when the flag is not given. */
  readonly env?: string;
  /** Unit of a bare number. */
  readonly unit?: "s" | "ms";
  /** Smallest accepted number. */
  readonly minimum?: number;
  /** What to use instead. The flag still works. */
  readonly deprecated?: string;
  /** Accepted and left without effect, for the reason given. */
  readonly unused?: string;
  /** Not part of the published flags, but our own. */
  readonly ours?: true;
}
