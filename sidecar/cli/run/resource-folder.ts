import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Where resources are looked for when nobody says where they are, the first one that holds YAML files being used. */
export const resourceFolders = [".mecha/components", "components", "resources", ".dapr/resources"] as const;

/**
 * The folder below `base` whose resources an app gets by itself; undefined: none. A folder without YAML files does not
 * count, because web projects call folders of something else `components`.
 */
export function findResourceFolder(base: string): string | undefined {
  return resourceFolders.map((name) => join(base, name)).find(holdsYaml);
}

/** Whether a folder is there and holds a YAML file. */
export function holdsYaml(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /\.ya?ml$/i.test(name));
  } catch {
    return false;
  }
}
