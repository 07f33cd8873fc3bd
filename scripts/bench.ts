import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pinSelf } from "./bench/processes.ts";
import type { Line } from "./bench/scenario.ts";
import { scenarios } from "./bench/scenarios.ts";
import type { Executable } from "./bench/sidecars.ts";

const help = `Measures Mecha against the bare limit in the same run, and against other sidecars.

Usage: npm run bench -- [options]

  --against <executable>   also measure this sidecar, which takes daprd's flags; may be repeated
  --only <words>           only scenarios whose name contains the words
  --write                  put the table into docs/benchmarks.md
  --list                   list the scenarios

Examples:
  npm run bench
  npm run bench -- --only gRPC
  npm run bench -- --against /usr/local/bin/daprd --write`;

const { values } = parseArgs({
  options: {
    against: { type: "string", multiple: true, default: [] },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const root = resolve(import.meta.dirname, "..");

async function main(): Promise<void> {
  if (values.help) return console.log(help);
  const wanted = scenarios.filter(({ name }) => name.toLowerCase().includes(values.only.toLowerCase()));
  if (values.list) return console.log(wanted.map(({ name }) => name).join("\n"));
  const where = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}; ${pinSelf()}`;
  console.log(where);
  // What is measured is what is run in production.
  const built = spawnSync(process.execPath, [resolve(root, "scripts/build.ts")], { stdio: "inherit" });
  if (built.status !== 0) throw new Error("the build failed");
  const executables: Executable[] = [
    { name: "mecha", command: [process.execPath, resolve(root, "bin/mechad")] },
    ...values.against.map((path) => ({ name: basename(path), command: [resolve(path)] })),
  ];
  const rows: string[][] = [];
  for (const scenario of wanted) {
    for (const executable of executables) {
      if (scenario.oursOnly && executable.name !== "mecha") continue;
      process.stdout.write(`${scenario.name} (${executable.name}) …\n`);
      const lines = await scenario.run(executable);
      for (const line of lines) {
        const row = toRow(executable.name, line);
        rows.push(row);
        console.log(`  ${row.filter((cell) => cell !== "").join(" · ")}`);
      }
    }
  }
  const table = [
    "| | Sidecar | Measured | Compared with | Ratio |",
    "|---|---|--:|---|--:|",
    ...rows.map(([name, what, ...rest]) => `| ${what} | ${name} | ${rest.join(" | ")} |`),
  ].join("\n");
  console.log(`\n${table}`);
  if (values.write) writePage(where, table);
}

const toRow = (name: string, { what, value, limit = "", ratio = "" }: Line): string[] => [
  name,
  what,
  value,
  limit,
  ratio,
];

function writePage(where: string, table: string): void {
  writeFileSync(
    resolve(root, "docs/benchmarks.md"),
    `# Benchmarks

Measured by \`npm run bench -- --write\` on ${new Date().toISOString().slice(0, 10)}: ${where}.

Each line is measured in one run beside the limit it is compared with: a bare fastify or grpc-js server that gives the
same answer, or the app called directly. Rates are taken over 5 s after 2 s of warm-up, with 32 HTTP connections or 64
gRPC calls at once; the load generator shares the machine, so a rate may be bounded by it, and the processor time per
request says what the sidecar itself costs. Latencies are those of requests sent at a fixed rate. Ratios are to be read
side by side; absolute numbers are the machine's.

${table}

## What limits it

- State over HTTP: half of a request's time is Node's own writing to the socket; the rest of the difference to bare fastify is
  routing of some hundred paths, policies and metrics. Metrics are plain numbers until they are asked for.
- SQLite: reads are prepared statements outside of any transaction. Writes are committed in groups, and an acknowledged one
  has been synced; the sync is shared by all that wait for it.
- Invocation: two hops of HTTP/1.1. The 99th percentile is made of garbage collections and of whatever else runs on the
  core; HTTP/2 between sidecars was tried and stalled them for 15 to 20 ms every second or two.
- Large bodies: memory is V8's young generation and the socket buffers, not the body.
- Memory at rest: 54 MB of it are Node's own program; what starting up leaves behind is given back once.
`,
  );
}

await main();
