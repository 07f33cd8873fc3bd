import { fail } from "../../specs/errors.ts";

/**
 * A table's name as SQL writes it. As in SQL, a name may begin with its schema (`app.state`), plain names count in lower
 * case, and names in double quotes are taken as they are.
 * @throws MechaError `openFailed` naming the setting
 */
export function tableName(setting: string, name: string): string {
  const parts = name.trim().match(/"(?:[^"]|"")+"|[^".]+|\./g) ?? [];
  const isPath =
    parts.length % 2 === 1 && parts.length <= 3 && parts.every((part, at) => (part === ".") === (at % 2 === 1));
  if (!isPath || name.includes("\0") || parts.join("") !== name.trim()) {
    throw fail("openFailed", {
      why: `${setting}: ${JSON.stringify(name)} is no table name; write it like state or app.state`,
    });
  }
  return parts.map((part) => (part === "." ? part : identifier(part))).join("");
}

function identifier(part: string): string {
  if (part.startsWith('"')) return part;
  return quoted(/^[A-Za-z_][\w$]*$/.test(part) ? part.toLowerCase() : part);
}

/** A name as SQL writes it, whatever it holds. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Name of an index that stands beside a table, in the table's schema; PostgreSQL cuts names at 63 bytes. */
export function indexName(table: string, suffix: string): string {
  const last = table.match(/"(?:[^"]|"")+"$/)?.[0] ?? table;
  const plain = last.slice(1, -1).replaceAll('""', '"');
  return quoted(
    `${Buffer.from(plain)
      .subarray(0, 62 - suffix.length)
      .toString()}_${suffix}`,
  );
}
