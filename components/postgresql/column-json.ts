// Type numbers of the server, from its catalogue pg_type.
const bool = 16;
const bytea = 17;
const numbers: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701, 1700]);
const documents: ReadonlySet<number> = new Set([114, 3802]);
const date = 1082;
const timestamp = 1114;
const timestamptz = 1184;
/** Number of an array type → that of its elements. */
const elements: Readonly<Record<number, number>> = {
  199: 114,
  1000: bool,
  1001: bytea,
  1005: 21,
  1007: 23,
  1009: 25,
  1014: 1042,
  1015: 1043,
  1016: 20,
  1021: 700,
  1022: 701,
  1028: 26,
  1115: timestamp,
  1182: date,
  1185: timestamptz,
  1231: 1700,
  2951: 2950,
  3807: 3802,
};

export interface Field {
  readonly dataTypeID: number;
}

/** An array of rows, each an array of its columns' values, from the server's texts. */
export const rowsToJson = (fields: readonly Field[], rows: readonly (readonly unknown[])[]): string =>
  `[${rows.map((row) => `[${row.map((value, at) => toJson(value as string | null, fields[at]?.dataTypeID ?? 0)).join(",")}]`).join(",")}]`;

/** JSON of one value: numbers with all their digits, bytes in base64, times as RFC 3339. */
export function toJson(value: string | null, type: number): string {
  if (value === null) return "null";
  const element = elements[type];
  if (element !== undefined) return arrayToJson(value, element);
  if (type === bool) return String(value === "t");
  // NaN and Infinity are no numbers of JSON.
  if (numbers.has(type) && /^-?\d/.test(value)) return value;
  if (documents.has(type)) return value;
  return JSON.stringify(toText(value, type));
}

function toText(value: string, type: number): string {
  switch (type) {
    case bytea:
      return Buffer.from(value.slice(2), "hex").toString("base64");
    case date:
      return /^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : value;
    case timestamp:
      return value.replace(/^(\d{4,}-\d\d-\d\d) (\S+)$/, "$1T$2Z");
    case timestamptz:
      return value
        .replace(
          /^(\d{4,}-\d\d-\d\d) (\S+?)([+-]\d\d)(?::?(\d\d))?$/,
          (_, day, time, hours, minutes) => `${day}T${time}${hours}:${minutes ?? "00"}`,
        )
        .replace(/\+00:00$/, "Z");
    default:
      return value;
  }
}

/** The server writes arrays as `{1,NULL,"a \"b\""}`, and those with other bounds as `[0:1]={…}`. */
function arrayToJson(text: string, element: number): string {
  const token = /\{|\}|,|"((?:[^"\\]|\\.)*)"|([^{},"]+)/gsy;
  token.lastIndex = text.indexOf("{");
  let json = "";
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [whole, quoted, plain] = match;
    if (quoted !== undefined) json += toJson(quoted.replace(/\\(.)/gs, "$1"), element);
    else if (plain !== undefined) json += plain === "NULL" ? "null" : toJson(plain, element);
    else json += whole === "{" ? "[" : whole === "}" ? "]" : ",";
  }
  return json;
}
