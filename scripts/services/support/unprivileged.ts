import { chownSync, readFileSync } from "node:fs";

/** Ids of the user as which a server runs that refuses to run as root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The first of the named users that exists, for spawning; undefined when this process is not root and so needs no other.
 * @throws Error when there is none of them
 */
export function unprivileged(...names: readonly string[]): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const users = new Map(lines.map((line) => line.split(":")).map(([name, , uid, gid]) => [name, { uid, gid }]));
  const user = names.map((name) => users.get(name)).find((found) => found !== undefined);
  if (!user) throw new Error(`none of the users ${names.join(", ")} exists: add one, or run as another user than root`);
  return { uid: Number(user.uid), gid: Number(user.gid) };
}

/** Gives a file or folder to the user; nothing to do without one. */
export function give(path: string, user: User | undefined): void {
  if (user) chownSync(path, user.uid, user.gid);
}
