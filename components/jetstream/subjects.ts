import { createHash } from "node:crypto";

/** Why a topic cannot be a subject; undefined: it can. */
export function subjectProblem(topic: string, { wildcards }: { readonly wildcards: boolean }): string | undefined {
  const tokens = topic.split(".");
  if (tokens.includes("")) return "has an empty part between its dots";
  if (/[\s\p{Cc}]/u.test(topic)) return "holds white space or a control character";
  if (!wildcards && tokens.some((token) => token === "*" || token === ">")) {
    return "holds a wildcard, which only subscriptions may";
  }
  if (tokens.slice(0, -1).includes(">")) return "has a > before its end";
  return undefined;
}

/** Whether every subject that `topic` stands for, which may hold wildcards, is one that `pattern` stands for. */
export function covers(pattern: string, topic: string): boolean {
  const [wide, narrow] = [pattern.split("."), topic.split(".")];
  for (const [at, token] of wide.entries()) {
    const other = narrow[at];
    if (other === undefined) return false;
    if (token === ">") return true;
    if (token === "*" ? other === ">" : token !== other) return false;
  }
  return wide.length === narrow.length;
}

const longestName = 100;

/** A name for streams and consumers: letters, digits, `_` and `-` of the parts, and a print that tells like ones apart. */
export function toName(...parts: readonly string[]): string {
  const print = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 10);
  const readable = parts.map((part) => part.replaceAll(/[^A-Za-z0-9_-]/g, "_")).join("_");
  return `${readable.slice(0, longestName)}_${print}`;
}
