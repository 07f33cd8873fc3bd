import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { AnyDriver } from "../../components/contract/any-driver.ts";

/** A driver file and what it defines. */
export interface Found {
  /** Folder below components/. */
  readonly folder: string;
  readonly file: string;
  readonly driver: AnyDriver;
}

/** File name without version and extension → first word of spec.type. */
const kinds: Readonly<Record<string, AnyDriver["kind"]>> = {
  state: "state",
  pubsub: "pubsub",
  bindings: "bindings",
  lock: "lock",
  configuration: "configuration",
  secretstores: "secretstores",
  crypto: "crypto",
  conversation: "conversation",
  "name-resolution": "nameresolution",
};

/** All drivers below components/, in the order of their paths. Throws when a path does not say the driver's type. */
export async function findDrivers(root: string): Promise<readonly Found[]> {
  const components = join(root, "components");
  const found: Found[] = [];
  for (const entry of (await readdir(components, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || entry.name === "contract") continue;
    for (const file of (await readdir(join(components, entry.name))).sort()) {
      const [, stem = "", version] = /^([a-z-]+)(?:\.(v\d+))?\.ts$/.exec(file) ?? [];
      const kind = kinds[stem];
      if (!kind) continue;
      const module = (await import(pathToFileURL(join(components, entry.name, file)).href)) as { default: AnyDriver };
      checkPath(`components/${entry.name}/${file}`, `${kind}.${entry.name}`, version, module.default);
      found.push({ folder: entry.name, file, driver: module.default });
    }
  }
  return found;
}

function checkPath(path: string, expected: string, version: string | undefined, driver: AnyDriver | undefined): void {
  if (!driver?.type) throw new Error(`${path}: the default export is not a driver; export default define…({...})`);
  const names = [driver.type, ...(driver.aliases ?? [])];
  if (!names.includes(expected))
    throw new Error(`${path}: defines ${driver.type}, but its path says ${expected}; rename the file or add an alias`);
  if ((driver.version ?? "v1") !== (version ?? "v1"))
    throw new Error(`${path}: defines version ${driver.version ?? "v1"}, but its name says ${version ?? "v1"}`);
}
