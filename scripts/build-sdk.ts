// `npm run build --workspace sdk`: the SDK as a package for Node 20 and later, in sdk/dist.
import { join, resolve } from "node:path";
import { buildSdk } from "./build/sdk.ts";

const root = resolve(import.meta.dirname, "..");
const { bytes } = await buildSdk(root, join(root, "sdk/dist")).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
console.log(`built sdk/dist: ${(bytes / 1e3).toFixed(0)} kB; publish it with \`npm publish sdk/dist\``);
