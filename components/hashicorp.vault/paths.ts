import type { VaultSettings } from "./settings.ts";

/** Paths of a KV engine, in requests and in words. */
export interface Paths {
  /** Where the engine is mounted, for requests. */
  readonly engine: string;
  /** Path of a secret, for requests; undefined: no secret can have that name. */
  read(name: string): string | undefined;
  /** Path that lists a folder, `""` or `a/b/`, for requests. */
  list(folder: string): string;
  /** What a policy must give `read` on. */
  readable(name: string): string;
}

/** By enginePath, vaultKVPrefix and the engine's version. */
export function pathsOf(settings: VaultSettings): Paths {
  const { enginePath, vaultKVPrefix, vaultKVUsePrefix, vaultKVVersion } = settings;
  const engine = partsOf(enginePath);
  const prefix = vaultKVUsePrefix ? partsOf(vaultKVPrefix) : [];
  const below = (kind: "data" | "metadata", rest: readonly string[]) => [
    ...engine,
    ...(vaultKVVersion === "2" ? [kind] : []),
    ...prefix,
    ...rest,
  ];
  return {
    engine: encoded(engine),
    read(name) {
      const parts = name.split("/");
      // The server would read them as steps out of the prefix.
      if (parts.some((part) => part === "" || part === "." || part === "..")) return undefined;
      return encoded(below("data", parts));
    },
    list: (folder) => encoded(below("metadata", partsOf(folder))),
    readable: (name) => below("data", [name]).join("/"),
  };
}

const partsOf = (path: string) => path.split("/").filter((part) => part !== "");
const encoded = (parts: readonly string[]) => parts.map(encodeURIComponent).join("/");
