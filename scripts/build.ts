// `npm run build`: the sidecar and the command as bundles in dist/, from which bin/ starts them while they are fresh.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { sources } from "../bin/launch.js";
import { bundle } from "./build/bundle.ts";

const root = resolve(import.meta.dirname, "..");
const missing = Object.values(sources).filter((path) => !existsSync(join(root, path)));
if (missing.length > 0) {
  console.error(`${missing.join(" and ")} missing\n  fix: restore it, for example from version control`);
  process.exit(1);
}
const started = performance.now();
const { build, bytes, warnings } = await bundle(root, sources).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
for (const warning of warnings) console.warn(warning);
const files = Object.keys(build.inputs).length;
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `built ${Object.keys(sources).join(" and ")} from ${files} files: ${(bytes / 1e6).toFixed(1)} MB in ${seconds} s`,
);
