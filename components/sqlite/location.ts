import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Where a database lives. */
export interface Location {
  /** Absolute path; undefined: in memory, private to the component. */
  readonly path: string | undefined;
  /** Parameters of the connection string that mean nothing here. */
  readonly ignored: readonly string[];
}

/**
 * Reads a connection string: a path, `file:<path>?<parameters>` or `:memory:`.
 * @param fallback path for an empty connection string
 */
export function parseLocation(connectionString: string, fallback: string): Location {
  const text = connectionString.trim();
  if (text === "") return { path: resolve(fallback), ignored: [] };
  const mark = text.startsWith("file:") || text.startsWith(":memory:") ? text.indexOf("?") : -1;
  const place = mark < 0 ? text : text.slice(0, mark);
  const parameters = new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1));
  const inMemory = place === ":memory:" || place === "file::memory:" || parameters.get("mode") === "memory";
  const known = (key: string) => key === "cache" || (key === "mode" && parameters.get(key) !== "ro");
  const ignored = [...new Set(parameters.keys())].filter((key) => !known(key));
  return { path: inMemory ? undefined : resolve(filePath(place)), ignored };
}

function filePath(place: string): string {
  if (!place.startsWith("file:")) return place;
  if (place.startsWith("file://")) return fileURLToPath(place);
  return decodeURIComponent(place.slice("file:".length));
}
