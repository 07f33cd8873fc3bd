import { mkdir, readFile, realpath, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { defineKeyStore, type Jwk } from "../contract/crypto.ts";
import { requiredText } from "../contract/settings.ts";
import { toJwk } from "./key-file.ts";

export default defineKeyStore({
  type: "crypto.dapr.localstorage",
  aliases: ["crypto.localstorage"],
  status: "beta",
  summary: "Keys from the files of a folder.",
  metadata: Type.Object({
    path: requiredText({ description: "Folder of the keys; a key is named like its file.", example: "./keys" }),
  }),
  async open(settings, { dataDir }) {
    // What lies in the sidecar's own folder is made on first use, like everything there.
    if (isBelow(resolve(dataDir), resolve(settings.path))) await mkdir(settings.path, { recursive: true });
    const root = await openFolder(settings.path);
    const known = new Map<string, Promise<Jwk>>();

    const read = async (name: string): Promise<Jwk> => {
      try {
        const file = await realpath(resolve(root, `./${name}`));
        // Links are followed, as mounted volumes are full of them, but not out of the folder.
        if (!isBelow(root, file)) throw new Error("it lies outside the component's path");
        return toJwk(name, await readFile(file));
      } catch (error) {
        const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
        throw fail(
          "cryptoKey",
          { key: name, cause: absent ? "there is no such file" : causeText(error) },
          { cause: error },
        );
      }
    };

    return {
      key(name) {
        let key = known.get(name);
        if (!key) {
          key = read(name);
          known.set(name, key);
          // A key that could not be read may be there the next time.
          key.catch(() => known.delete(name));
        }
        return key;
      },
      close: async () => known.clear(),
    };
  },
});

async function openFolder(path: string): Promise<string> {
  try {
    const root = await realpath(path);
    if (!(await stat(root)).isDirectory()) throw new Error("it is not a folder");
    return root;
  } catch (error) {
    throw fail("openFailed", { why: `path ${path} cannot be used: ${causeText(error)}` }, { cause: error });
  }
}

function isBelow(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
