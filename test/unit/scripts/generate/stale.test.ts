import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { staleFiles } from "../../../../scripts/generate/stale.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stale-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function tree(name: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, name, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return join(folder, name);
}

it("names changed, missing and leftover files in order, and no equal ones", () => {
  const root = tree("root", { "gen/a/same": "1", "gen/changed": "1", "gen/leftover": "1" });
  const fresh = tree("fresh", { "gen/a/same": "1", "gen/changed": "2", "gen/a/missing": "1" });
  expect(staleFiles(root, fresh, ["gen/**"])).toEqual(["gen/a/missing", "gen/changed", "gen/leftover"]);
});

it("looks only at the files the globs name", () => {
  const root = tree("root", { "redis/README.md": "old", "redis/state.ts": "hand-written" });
  const fresh = tree("fresh", { "redis/README.md": "old" });
  expect(staleFiles(root, fresh, ["*/README.md"])).toEqual([]);
});
