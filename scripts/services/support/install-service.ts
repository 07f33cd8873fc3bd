import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { runVisibly } from "../../clients/run-visibly.ts";
import { findProgram } from "./find-program.ts";
import type { Service } from "./service.ts";

const cache = resolve(import.meta.dirname, "../../../.cache");

/**
 * Installs a service unless it is there. Its progress appears on standard error.
 * @returns undefined when it is there now, else why it is not, with what would help
 */
export async function installService(service: Service): Promise<string | undefined> {
  if (service.find() !== undefined) return undefined;
  const packages = service.install.debian ?? [];
  const byHand = `install ${packages.join(" and ")}`;
  const apt = findProgram("apt-get");
  if (apt === undefined) return `${service.name} is not on this machine, which has no apt-get: ${byHand}`;
  if (process.getuid?.() !== 0) return `${service.name} is not on this machine: ${byHand} as root`;
  try {
    await aptInstall(apt, packages);
  } catch (error) {
    return `${packages.join(" ")} could not be installed: ${error instanceof Error ? error.message : error}`;
  }
  return service.find() === undefined ? `${packages.join(" ")} brought no ${service.name}` : undefined;
}

/** One test file installs at a time; the others wait and then find all in place. */
async function aptInstall(apt: string, packages: readonly string[]): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const flock = findProgram("flock");
  const alone = flock ? [flock, join(cache, "install.lock")] : [];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = [...alone, apt, "install", "-y", "--no-install-recommends", ...packages];
  const run = (what: string, command: readonly string[]) => runVisibly(what, command as [string, ...string[]], { env });
  try {
    await run(`installing ${packages.join(" ")}`, install);
  } catch {
    // The package lists are old or absent.
    await run("reading the package lists", [...alone, apt, "update"]);
    await run(`installing ${packages.join(" ")}`, install);
  }
}
