import { accessSync, constants, globSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Finds a program on PATH and then in further folders, which may be patterns; of several the last in order of their
 * names is taken.
 * @returns its absolute path, or undefined
 */
export function findProgram(name: string, ...folders: readonly string[]): string | undefined {
  const onPath = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  // Debian puts servers where the PATH of an ordinary user does not lead.
  const further = ["/usr/local/sbin", "/usr/sbin", ...folders.flatMap((folder) => globSync(folder).sort().reverse())];
  return [...onPath, ...further].map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
