import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import type { CliContext } from "../context.ts";
import { readRecords } from "../run-records.ts";

/** An id for an app that was given none: the name of its folder, or one nobody has when that is taken or unusable. */
export async function chooseAppId({ cwd, env }: Pick<CliContext, "cwd" | "env">): Promise<string> {
  // Dots separate an app from its namespace.
  const name = basename(cwd)
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const taken = (await readRecords(env)).map(({ appId }) => appId);
  if (name !== "" && !taken.includes(name)) return name;
  return `${name || "app"}-${randomBytes(2).toString("hex")}`;
}
