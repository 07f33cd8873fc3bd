import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Install } from "./service.ts";

/** Where services are installed that do not come from the system's own packages. */
export const servicesCache = resolve(import.meta.dirname, "../../../.cache/services");

/** Folder of one service below `.cache/services`. */
export const serviceFolder = (name: string): string => join(servicesCache, name);

/**
 * Path of something that the packages of `install` have brought, such as `venv/bin/moto_server`; undefined: they are not
 * there, not whole, or other versions.
 */
export function findInstalled(name: string, install: Install, path: string): string | undefined {
  const found = join(serviceFolder(name), path);
  return readMark(name) === markOf(install) && existsSync(found) ? found : undefined;
}

/** Says that all is there; the last step of an installation. */
export function markInstalled(name: string, install: Install): void {
  writeFileSync(markPath(name), markOf(install));
}

/** Removes what an earlier installation has left. */
export function clearFolder(name: string): void {
  rmSync(serviceFolder(name), { recursive: true, force: true });
}

const markPath = (name: string) => join(serviceFolder(name), "installed.json");
const markOf = (install: Install) => JSON.stringify(install);

function readMark(name: string): string | undefined {
  try {
    return readFileSync(markPath(name), "utf8");
  } catch {
    return undefined;
  }
}
