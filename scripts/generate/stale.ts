import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Compares what the globs match below `root` and below `out`, and returns the relative paths that
 * differ, sorted: changed, missing from `root`, or no longer made.
 */
export function staleFiles(root: string, out: string, globs: readonly string[]): string[] {
  const here = filesIn(root, globs);
  const fresh = filesIn(out, globs);
  return [...new Set([...here, ...fresh])]
    .filter((path) => !here.has(path) || !fresh.has(path) || !sameBytes(join(root, path), join(out, path)))
    .sort();
}

function filesIn(folder: string, globs: readonly string[]): Set<string> {
  const paths = globs.flatMap((glob) => globSync(glob, { cwd: folder }));
  return new Set(paths.filter((path) => statSync(join(folder, path)).isFile()));
}

function sameBytes(left: string, right: string): boolean {
  return readFileSync(left).equals(readFileSync(right));
}
