import { flagsHelp } from "./config/flag-docs.ts";
import { runSidecar } from "./run.ts";
import { version } from "./version.ts";

/** The program that stands where `daprd` stands: the same flags, one sidecar, ends by a signal or the shutdown API. */
process.exitCode = await runSidecar(process.argv.slice(2), { env: process.env, version, help: flagsHelp("mechad") });
