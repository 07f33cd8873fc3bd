import type { ItemLine } from "./books.ts";

/** What came out of a run. */
export interface Report {
  /** Orders sent, repetitions included. */
  readonly sent: number;
  /** Different orders among them. */
  readonly orders: number;
  readonly confirmed: number;
  readonly rejected: number;
  /** Orders sent that were on record already. */
  readonly duplicatesIgnored: number;
  /** Events that a service had handled before: of orders sent twice, and delivered again after a crash. */
  readonly repeatedEvents: number;
  readonly stock: readonly ItemLine[];
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** From sending an order to the notification; undefined when all orders were of an earlier run. */
  readonly flowMs: { readonly p50: number; readonly p99: number } | undefined;
  /** Sidecars killed. */
  readonly kills: number;
  /** What does not add up; empty when the books balance. */
  readonly mistakes: readonly string[];
}

/** The value that `share` of all are not above; the nearest one on record. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The closing table. */
export function formatReport(report: Report): string {
  const { flowMs, kills, mistakes } = report;
  const figures: [what: string, value: string | number][] = [
    ["orders sent", report.sent],
    ["different orders", report.orders],
    ["confirmed", report.confirmed],
    ["rejected", report.rejected],
    ["duplicates ignored", report.duplicatesIgnored],
    ["repeated events ignored", report.repeatedEvents],
    ["seconds", report.seconds.toFixed(1)],
    ["events/s", Math.round(report.eventsPerSecond)],
    ["whole flow, p50 ms", flowMs?.p50 ?? "-"],
    ["whole flow, p99 ms", flowMs?.p99 ?? "-"],
    ...(kills > 0 ? [["sidecars killed", kills] as [string, number]] : []),
  ];
  const items = report.stock.map(({ name, initial, wanted, confirmed, left }) => [
    name,
    initial,
    wanted,
    confirmed,
    left,
  ]);
  return [
    table(figures),
    table([["item", "in stock", "wanted", "confirmed", "left"], ...items]),
    mistakes.length === 0 ? "The books balance: nothing lost, nothing sold twice." : complaint(mistakes),
  ].join("\n\n");
}

function complaint(mistakes: readonly string[]): string {
  const shown = mistakes.slice(0, 20).map((mistake) => `  - ${mistake}`);
  const more = mistakes.length > shown.length ? [`  and ${mistakes.length - shown.length} more`] : [];
  return ["THE BOOKS DO NOT BALANCE", ...shown, ...more].join("\n");
}

/** Words to the left, numbers to the right. */
function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  const pad = (cell: string | number, column: number) =>
    column === 0 ? String(cell).padEnd(widths[0] ?? 0) : String(cell).padStart(widths[column] ?? 0);
  return rows.map((row) => `  ${row.map(pad).join("   ")}`).join("\n");
}
