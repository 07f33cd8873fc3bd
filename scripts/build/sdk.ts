import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/**
 * Writes the SDK as others install it: one ES module with what it uses of `specs`, its types, and a package.json that names
 * them. What was in `dist` before is removed.
 *
 * @param root the project folder
 * @param dist the folder to write
 * @returns the size of the module
 * @throws when a source does not compile
 */
export async function buildSdk(root: string, dist: string): Promise<{ readonly bytes: number }> {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const { outputFiles } = await build({
    absWorkingDir: join(root, "sdk"),
    entryPoints: ["src/index.ts"],
    outfile: join(dist, "index.js"),
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    write: false,
    logLevel: "silent",
  });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
  writeTypes(root, dist);
  writeManifest(root, dist);
  copyFileSync(join(root, "sdk/README.md"), join(dist, "README.md"));
  copyFileSync(join(root, "LICENSE"), join(dist, "LICENSE"));
  return { bytes: outputFiles.reduce((sum, { contents }) => sum + contents.length, 0) };
}

function writeTypes(root: string, dist: string): void {
  const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
  const project = join(root, "sdk/tsconfig.build.json");
  const args = [tsc, "--project", project, "--outDir", join(dist, "types")];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the types of the SDK do not compile:\n${stdout}${stderr}`);
}

/** The package as it is in the repository, but for the places of its files. */
function writeManifest(root: string, dist: string): void {
  const { scripts: _, ...manifest } = JSON.parse(readFileSync(join(root, "sdk/package.json"), "utf8"));
  const exports = { ".": { types: "./types/sdk/src/index.d.ts", default: "./index.js" } };
  writeFileSync(join(dist, "package.json"), `${JSON.stringify({ ...manifest, exports }, undefined, 2)}\n`);
}
