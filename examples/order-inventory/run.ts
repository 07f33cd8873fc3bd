// `npm start` runs this. Three services trade a thousand orders through their sidecars; then the books are checked.
import { parseArgs } from "node:util";
import { runOrderInventory } from "./runner/run-order-inventory.ts";

const usage = `npm start -- [options]

  --once          end when the books are checked; the exit code is 0 only if they balance
  --keep          go on with the state of the last run: every order is a duplicate then, and changes nothing
  --chaos         kill a random sidecar now and then while orders come in
  --kills <n>     how many times (default 20)
  --seed <n>      decides which sidecar and when (default: the clock)
  --orders <n>    send only the first n lines of orders.jsonl
  --folder <path> keep state and logs there (default .mecha/order-inventory)
  --only-node     use the TypeScript twins of the Python and the Go service
  --quiet         write nothing
  --help          print this`;

const options = {
  once: { type: "boolean", default: false },
  keep: { type: "boolean", default: false },
  chaos: { type: "boolean", default: false },
  kills: { type: "string", default: "20" },
  seed: { type: "string", default: String(Date.now() % 2 ** 32) },
  orders: { type: "string" },
  folder: { type: "string" },
  "only-node": { type: "boolean", default: false },
  quiet: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const stop = new AbortController();
let signals = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // A second one does not wait; children go with this process.
    if (++signals > 1) process.exit(1);
    stop.abort(new Error("stopped"));
  });
}

process.exitCode = await main();

async function main(): Promise<number> {
  const values = readOptions();
  if (values === undefined) return 2;
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { once, keep, chaos, kills, seed, orders, folder, "only-node": onlyNode, quiet } = values;
  try {
    const { mistakes } = await runOrderInventory({
      ...{ once, keep, onlyNode, quiet, signal: stop.signal },
      ...(chaos ? { chaos: { kills: wholeNumber("kills", kills), seed: wholeNumber("seed", seed) } } : {}),
      ...(folder === undefined ? {} : { folder }),
      ...(orders === undefined ? {} : { orders: wholeNumber("orders", orders) }),
    });
    return mistakes.length === 0 ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted) return 130;
    console.error(`\n${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} must be a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
}

/** Undefined, after saying so, when there is one that is not known. */
function readOptions() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
}
