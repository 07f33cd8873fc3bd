import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { runVisibly } from "../../clients/run-visibly.ts";
import { findProgram } from "./find-program.ts";
import type { Service } from "./service.ts";
import { servicesCache } from "./service-folder.ts";

/** What each kind of package needs on the machine. */
const tools = { debian: "apt-get", maven: "mvn", pypi: "python3", npm: "npm", go: "go" } as const;

/**
 * Installs a service unless it is there. Its progress appears on standard error.
 * @returns undefined when it is there now, else why it is not, with what would help
 */
export async function installService(service: Service): Promise<string | undefined> {
  if (service.find() !== undefined) return undefined;
  const missing = whatIsMissing(service);
  if (missing !== undefined) return missing;
  const packages = Object.values(service.install).flat().join(" ");
  try {
    await installAlone(service.name, packages);
  } catch (error) {
    return `${packages} could not be installed: ${error instanceof Error ? error.message : error}`;
  }
  return service.find() === undefined ? `${packages} brought no ${service.name}` : undefined;
}

function whatIsMissing({ name, install }: Service): string | undefined {
  for (const [kind, tool] of Object.entries(tools)) {
    const packages = install[kind as keyof typeof tools];
    if (packages === undefined) continue;
    const byHand = kind === "debian" ? `install ${packages.join(" and ")}` : `install ${tool}`;
    if (findProgram(tool) === undefined) return `${name} is not on this machine, which has no ${tool}: ${byHand}`;
    if (kind === "debian" && process.getuid?.() !== 0) return `${name} is not on this machine: ${byHand} as root`;
  }
  return undefined;
}

/** One process installs at a time; the others wait and then find all in place. */
async function installAlone(name: string, packages: string): Promise<void> {
  mkdirSync(servicesCache, { recursive: true });
  const flock = findProgram("flock");
  const alone = flock ? [flock, join(servicesCache, "install.lock")] : [];
  const install = [process.execPath, join(import.meta.dirname, "install-packages.ts"), name];
  await runVisibly(`installing ${packages}`, [...alone, ...install] as [string, ...string[]]);
}
