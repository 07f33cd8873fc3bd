import type { FieldPacket } from "mysql2";

// Numbers of the protocol's types: https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
const numbers: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 8, 9, 13, 246]);
const json = 245;
const bit = 16;
const date = 10;
const times: ReadonlySet<number> = new Set([7, 12]);
/** Number of the character set of bytes. */
const binary = 63;

/** An array of rows, each an object with the columns' names, in their order. */
export function rowsToJson(
  fields: readonly FieldPacket[],
  rows: readonly (readonly unknown[])[],
  parseTime: boolean,
): string {
  const names = fields.map(({ name }) => JSON.stringify(name));
  const toObject = (row: readonly unknown[]) =>
    `{${row.map((value, at) => `${names[at]}:${toJson(value, fields[at], parseTime)}`).join(",")}}`;
  return `[${rows.map(toObject).join(",")}]`;
}

/** JSON of one value: numbers with all their digits, JSON as it is, bytes in base64, all else as a text. */
function toJson(value: unknown, field: FieldPacket | undefined, parseTime: boolean): string {
  if (value === null || value === undefined) return "null";
  const type = field?.columnType ?? 0;
  if (type === bit && Buffer.isBuffer(value)) return BigInt(`0x${value.toString("hex") || "0"}`).toString();
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString(isBytes(field) ? "base64" : "utf8"));
  if (numbers.has(type) && /^-?\d/.test(String(value))) return String(value);
  if (type === json || isMariaJson(field)) return String(value);
  if (typeof value !== "string") return JSON.stringify(value);
  return JSON.stringify(parseTime ? toRfc3339(value, type) : value);
}

const isBytes = (field: FieldPacket | undefined) => field?.characterSet === binary;

/** MariaDB's JSON is a text that says so. */
const isMariaJson = (field: FieldPacket | undefined) =>
  field !== undefined && "extendedFormat" in field && field.extendedFormat === "json";

function toRfc3339(text: string, type: number): string {
  if (type === date) return `${text}T00:00:00Z`;
  return times.has(type) ? `${text.replace(" ", "T")}Z` : text;
}
