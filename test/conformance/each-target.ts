import { describe } from "vitest";

/** COMPONENTS=sqlite,memory keeps the targets whose name contains one of the words. */
const words = (process.env["COMPONENTS"] ?? "").split(",").filter((word) => word !== "");

/** Targets under the names of their types. */
export const byType = <T extends { readonly driver: { readonly type: string } }>(targets: readonly T[]) =>
  Object.fromEntries(targets.map((target) => [target.driver.type, target]));

/** Runs a suite over each target; those whose server is missing are skipped. */
export function each<T extends { readonly driver: object; readonly isMissing?: boolean }>(
  targets: Readonly<Record<string, T>>,
  suite: (target: T) => void,
): void {
  for (const [name, target] of Object.entries(targets)) {
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    describe.skipIf(target.isMissing)(name, () => suite(target));
  }
}
