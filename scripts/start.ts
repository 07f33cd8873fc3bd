// `npm start [-- args]`: the order and inventory example, with a sidecar for each of its services.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const example = resolve(import.meta.dirname, "../examples/order-inventory/run.ts");
if (!existsSync(example)) {
  console.error("examples/order-inventory/run.ts is missing\n  fix: restore it, for example from version control");
  process.exit(1);
}
// the example reads its own arguments, as if it had been started itself
process.argv[1] = example;
await import(pathToFileURL(example).href);
