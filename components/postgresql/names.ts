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

/** Name of an index of a table. */
export function indexName(table: string, suffix: string): string {
  const { name } = split(table);
  return quoted(`${cut(name, suffix)}_${suffix}`);
}

/** Name of something else in the schema of a table, called after it. */
export function besideName(table: string, suffix: string): string {
  const { schema, name } = split(table);
  return `${schema}${quoted(`${cut(name, suffix)}_${suffix}`)}`;
}

function split(table: string): { readonly schema: string; readonly name: string } {
  const last = table.match(/"(?:[^"]|"")+"$/)?.[0] ?? table;
  return { schema: table.slice(0, table.length - last.length), name: last.slice(1, -1).replaceAll('""', '"') };
}

/** PostgreSQL cuts names at 63 bytes, which would take the suffix off. */
const cut = (name: string, suffix: string) =>
  Buffer.from(name)
    .subarray(0, 62 - suffix.length)
    .toString();
