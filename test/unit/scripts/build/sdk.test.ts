import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSdk } from "../../../../scripts/build/sdk.ts";

const project = resolve(import.meta.dirname, "../../../..");
// Inside the project, so that the libraries of the package are found.
const cache = join(project, ".cache");
let dist: string;

beforeAll(async () => {
  mkdirSync(cache, { recursive: true });
  dist = mkdtempSync(join(cache, "sdk-"));
  await buildSdk(project, dist);
}, 30_000);

afterAll(() => rmSync(dist, { recursive: true, force: true }));

describe("the built SDK", () => {
  test("is what its package.json says", async () => {
    const manifest = JSON.parse(readFileSync(join(dist, "package.json"), "utf8"));
    const { types, default: module } = manifest.exports["."];
    expect([types, module, "README.md", "LICENSE"].filter((path) => !existsSync(join(dist, path)))).toEqual([]);
    const built = await import(join(dist, module));
    expect(Object.keys(built).sort()).toEqual([
      "MechaClientError",
      "createApp",
      "createClient",
      "mechaFastify",
      "reply",
    ]);
    const client = built.createClient();
    await client.close();
  });

  test("imports its dependencies and Node only", () => {
    const imported = [...readFileSync(join(dist, "index.js"), "utf8").matchAll(/^(?:import|} from) .*?"([^"]+)";$/gm)];
    const declared = Object.keys(JSON.parse(readFileSync(join(dist, "package.json"), "utf8")).dependencies);
    const foreign = imported.flatMap(([, name = ""]) =>
      name.startsWith("node:") || declared.some((one) => name === one || name.startsWith(`${one}/`)) ? [] : [name],
    );
    expect(foreign).toEqual([]);
    expect(imported.length).toBeGreaterThan(5);
  });

  test("has types that stand alone", { timeout: 30_000 }, () => {
    const options = {
      module: ts.ModuleKind.NodeNext,
      strict: true,
      noEmit: true,
      types: ["node"],
      target: ts.ScriptTarget.ES2024,
    };
    const program = ts.createProgram([join(dist, "types/sdk/src/index.d.ts")], options);
    const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(dist));
    const mistakes = own.flatMap((file) => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]);
    expect(mistakes.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "))).toEqual([]);
    const outside = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(join(project, "specs")));
    expect(outside).toEqual([]);
    expect(own.length).toBeGreaterThan(20);
  });
});
