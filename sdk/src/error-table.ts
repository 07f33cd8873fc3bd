import { codes, type Row, reasons } from "../../specs/errors.ts";
import type { ErrorCode } from "./errors.ts";

// Each wire leaves out a part of what the other says about a failure; the table of errors has both parts.

// None of them is `ok`.
const rows = Object.values(reasons) as readonly (Row & { readonly code: ErrorCode })[];
const httpOf = ({ http, code }: Row): number => http ?? codes[code].http;

/** Statuses that several codes answer with; the most usual meaning here. */
const usual: Readonly<Record<number, ErrorCode>> = { 400: "invalid_argument", 409: "aborted", 500: "internal" };
const names = (Object.keys(codes) as (keyof typeof codes)[]).filter((name) => name !== "ok");

/** The one value that all rows agree on. */
function agreed<T>(values: readonly T[]): T | undefined {
  return new Set(values).size === 1 ? values[0] : undefined;
}

/** The code of an HTTP answer. `tag` is its errorCode, `info` the reason of its ErrorInfo. */
export function codeOfHttp(status: number, tag: string | undefined, info: string | undefined): ErrorCode {
  const fitting = rows.filter(
    (row) =>
      httpOf(row) === status &&
      (info === undefined || row.info === info) &&
      (tag === undefined || (row.tag ?? row.info) === tag),
  );
  const known = tag === undefined && info === undefined ? undefined : agreed(fitting.map(({ code }) => code));
  return known ?? usual[status] ?? names.find((name) => codes[name].http === status) ?? "unknown";
}

/** The HTTP status of a gRPC answer. `reason` is that of its ErrorInfo, or else the errorCode. */
export function httpStatusOf(code: ErrorCode, reason: string | undefined): number {
  const fitting = rows.filter((row) => row.code === code && (row.info ?? row.tag) === reason);
  return agreed(fitting.map(httpOf)) ?? codes[code].http;
}

/** The name of a gRPC status code; a number outside the list is `unknown`. */
export function codeOfGrpc(status: number): ErrorCode {
  return names.find((name) => codes[name].grpc === status) ?? "unknown";
}
