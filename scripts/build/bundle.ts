import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Metafile, type OutputFile, type Plugin } from "esbuild";
import { type Build, fingerprint } from "../../bin/launch.js";

/** CommonJS libraries inside an ES module still expect these three. */
const commonJsNames = `
import { createRequire as __createRequire } from "node:module";
const require = __createRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;
`.trim();

export interface Bundled {
  readonly build: Build;
  readonly bytes: number;
  readonly warnings: readonly string[];
}

/**
 * Bundles programs into `<root>/dist`: ES modules for Node 24, shared code and everything behind a dynamic `import()`
 * in files of its own, so that a driver is still loaded only when it is configured. Writes dist/build.json last.
 *
 * @param root the project folder
 * @param programs program → its source, relative to `root`
 * @returns what is in dist/build.json, the size of all files, and the bundler's warnings
 * @throws when a source is missing or does not compile; dist then holds no build.json and is not used
 */
export async function bundle(root: string, programs: Record<string, string>): Promise<Bundled> {
  const dist = join(root, "dist");
  rmSync(join(dist, "build.json"), { force: true });
  const { outputFiles, metafile, warnings } = await build({
    absWorkingDir: root,
    entryPoints: programs,
    outdir: "dist",
    // all in one folder: see keepPlaces
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    // identifiers stay, so that a stack trace of the bundle can be read
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "linked",
    banner: { js: commonJsNames },
    plugins: [keepPlaces(root), keepNames()],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  replaceFiles(dist, outputFiles);
  const made = describe(root, programs, metafile);
  writeFileSync(join(dist, "build.json.new"), JSON.stringify(made));
  renameSync(join(dist, "build.json.new"), join(dist, "build.json"));
  return {
    build: made,
    bytes: outputFiles.reduce((sum, { contents }) => sum + contents.length, 0),
    warnings: warnings.map(({ text, location }) => (location === null ? text : `${location.file}: ${text}`)),
  };
}

/** Writes the new files, then removes what an earlier build left, its compile cache included. */
function replaceFiles(dist: string, files: readonly OutputFile[]): void {
  mkdirSync(dist, { recursive: true });
  for (const { path, contents } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  const kept = new Set(files.map(({ path }) => relative(dist, path)));
  for (const name of readdirSync(dist)) {
    if (!kept.has(name)) rmSync(join(dist, name), { recursive: true, force: true });
  }
}

function describe(root: string, programs: Record<string, string>, { inputs }: Metafile): Build {
  const ours = Object.keys(inputs).filter((path) => !path.includes("node_modules/") && !path.includes(":"));
  // the lock file stands for every library
  const paths = [...ours, "package-lock.json"].sort();
  const entries = paths.map((path) => {
    const { size, mtimeMs } = statSync(join(root, path));
    return [path, [size, mtimeMs, fingerprint(join(root, path))]] as const;
  });
  const hash = createHash("sha256");
  for (const [path, [, , content]] of entries) hash.update(`${path} ${content}\n`);
  return {
    hash: hash.digest("hex"),
    entries: Object.fromEntries(Object.keys(programs).map((program) => [program, `${program}.js`])),
    inputs: Object.fromEntries(entries.map(([path, facts]) => [path, [...facts]])),
  };
}

/** Lets `import.meta.url`, `.dirname` and `.filename` in our sources mean the source's place also inside the bundle. */
function keepPlaces(root: string): Plugin {
  return {
    name: "keep-places",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes("node_modules")) return undefined;
        const place = relative(root, path);
        const places: Record<string, string> = {
          url: `new URL(${JSON.stringify(`../${place}`)}, import.meta.url).href`,
          filename: `(import.meta.dirname + ${JSON.stringify(`/../${place}`)})`,
          dirname: `(import.meta.dirname + ${JSON.stringify(`/../${dirname(place)}`)})`,
        };
        const source = readFileSync(path, "utf8");
        const contents = source.replaceAll(
          /\bimport\.meta\.(url|filename|dirname)\b/g,
          (text, word) => places[word] ?? text,
        );
        return contents === source ? undefined : { contents, loader: "ts" };
      });
    },
  };
}

/**
 * Gives a library that is loaded by `import()` the names that Node gives it. Of a CommonJS library the bundler would export
 * `default` alone, since it learns the others only when the library runs; so it is run here.
 */
function keepNames(): Plugin {
  return {
    name: "keep-names",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^[^./]/ }, ({ kind, path, resolveDir }) => {
        if (kind !== "dynamic-import" || isBuiltin(path)) return undefined;
        return { path, namespace: "keep-names", pluginData: resolveDir };
      });
      onLoad({ filter: /./, namespace: "keep-names" }, async ({ path, pluginData: resolveDir }) => {
        const file = createRequire(join(resolveDir, "here.js")).resolve(path);
        const names = Object.keys(await import(pathToFileURL(file).href)).filter((name) => /^[\w$]+$/.test(name));
        const taken = names.map((name, i) => `${name}: name${i}`).join(", ");
        const given = names.map((name, i) => `name${i} as ${name}`).join(", ");
        const contents = `import * as library from ${JSON.stringify(path)};\nconst { ${taken} } = library;\nexport { ${given} };`;
        return { contents, loader: "js", resolveDir };
      });
    },
  };
}
