import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, realpath, unlink } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fail } from "../../specs/errors.ts";

/** Files below one folder. Names are relative to it, with `/` between folders; a name that leads out is refused. */
export interface Folder {
  /** Resolves with the name in its plain form, by which it is listed: `/a/./b` is `a/b`. */
  write(name: string, data: Uint8Array): Promise<string>;
  /** Rejects with `requestMetadataInvalid` when there is no such file. */
  read(name: string): Promise<Uint8Array>;
  /** An absent file is a success. */
  remove(name: string): Promise<void>;
  /** Names of the files below a folder, or of the one file; `""` is the folder itself. Rejects like `read`. */
  list(name: string): Promise<readonly string[]>;
}

/** Opens the folder and makes it when it is absent. */
export async function openFolder(path: string): Promise<Folder> {
  await mkdir(path, { recursive: true });
  const root = await realpath(path);

  /** Where a name lies, after following the links on the way to it. */
  const at = async (name: string): Promise<string> => {
    if (name.includes("\0")) throw outside(name);
    const wanted = resolve(root, `./${name}`);
    if (!within(root, wanted)) throw outside(name);
    const existing = await deepestExisting(wanted);
    const actual = await realpath(existing).catch((error: unknown) => {
      throw codeOf(error) === "ENOENT" ? outside(name) : error;
    });
    if (!within(root, actual)) throw outside(name);
    return join(actual, relative(existing, wanted));
  };

  const nameOf = (file: string) => relative(root, file).split(sep).join("/");

  return {
    async write(name, data) {
      const file = await at(name);
      if (file === root) throw outside(name);
      await mkdir(dirname(file), { recursive: true });
      // A link that was put there after the check is not followed.
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0);
      await using handle = await open(file, flags, 0o644);
      await handle.writeFile(data);
      return nameOf(resolve(root, `./${name}`));
    },
    async read(name) {
      const file = await at(name);
      try {
        await using handle = await open(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
        return await handle.readFile();
      } catch (error) {
        throw missing(name, error);
      }
    },
    async remove(name) {
      const wanted = resolve(root, `./${name}`);
      if (name.includes("\0") || !within(root, wanted) || wanted === root) throw outside(name);
      // Only the way to the name is followed: a link is removed itself, never what it leads to.
      const file = join(await at(relative(root, dirname(wanted))), basename(wanted));
      await unlink(file).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error;
      });
    },
    async list(name) {
      const start = await at(name);
      try {
        if (!(await lstat(start)).isDirectory()) return [nameOf(start)];
        const entries = await readdir(start, { recursive: true, withFileTypes: true });
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) => nameOf(join(entry.parentPath, entry.name)))
          .sort();
      } catch (error) {
        throw missing(name, error);
      }
    },
  };
}

function within(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** The longest part of a path that exists, be it as a link that leads nowhere. */
async function deepestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    try {
      await lstat(at);
      return at;
    } catch (error) {
      const code = codeOf(error);
      if ((code !== "ENOENT" && code !== "ENOTDIR") || at === dirname(at)) throw error;
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

const outside = (name: string) =>
  fail("requestMetadataInvalid", { key: "fileName", why: `${JSON.stringify(name)} leads out of rootPath` });

function missing(name: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") {
    const what = code === "EISDIR" ? "is a folder" : "does not exist";
    return fail(
      "requestMetadataInvalid",
      { key: "fileName", why: `${JSON.stringify(name)} ${what}` },
      { cause: error },
    );
  }
  return error;
}
