import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

// Every dependency has one row in CONTRIBUTING.md, and the row is true.

const project = resolve(import.meta.dirname, "../..");
const readJson = (path: string) => JSON.parse(readFileSync(join(project, path), "utf8"));
const { doors, forTools }: { doors: Record<string, string[]>; forTools: string[] } = createRequire(import.meta.url)(
  join(project, "scripts/imports/doors.cjs"),
);

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const manifests: Manifest[] = [readJson("package.json"), readJson("sdk/package.json")];
const versions = Object.assign({}, ...manifests.flatMap((each) => [each.dependencies, each.devDependencies]));
const names = Object.keys(versions).filter((name) => !name.startsWith("@mecha/"));

const rows = (readFileSync(join(project, "CONTRIBUTING.md"), "utf8").split(/^## Dependencies$/m)[1] ?? "")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| Library"))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, name = "", licence = "", why = "", from = ""]) => ({ name, licence, why, from }));

test("the table lists exactly the dependencies", () => {
  expect(rows.map(({ name }) => name).sort()).toEqual([...names].sort());
});

test("each row states the licence its package states, and a reason", () => {
  const wrong = rows.flatMap(({ name, licence, why }) => {
    const stated: string = readJson(`node_modules/${name}/package.json`).license;
    if (why === "") return `${name}: no reason`;
    return stated.toLowerCase() === licence.toLowerCase() ? [] : `${name}: ${licence}, its package says ${stated}`;
  });
  expect(wrong).toEqual([]);
});

test("each row names the folders of scripts/imports/doors.cjs", () => {
  const wrong = rows.flatMap(({ name, from }) => {
    const folders = forTools.includes(name) ? ["scripts", "test"] : doors[name];
    const expected = folders === undefined ? ["a program", "types only"] : [folders.join(", ")];
    return expected.includes(from) ? [] : `${name}: ${from}, the rules say ${expected.join(" or ")}`;
  });
  expect(wrong).toEqual([]);
});

test("each version is exact", () => {
  const loose = names.filter((name) => !/^(npm:[^ ]+@)?\d+\.\d+\.\d+$/.test(versions[name]));
  expect(loose).toEqual([]);
});
