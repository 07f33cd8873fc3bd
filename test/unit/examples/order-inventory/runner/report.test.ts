import { expect, it } from "vitest";
import { formatReport, percentile, type Report } from "../../../../../examples/order-inventory/runner/report.ts";

const report: Report = {
  ...{ sent: 3, orders: 2, confirmed: 1, rejected: 1, duplicatesIgnored: 1, repeatedEvents: 3 },
  stock: [{ sku: "MUG", name: "Mug", initial: 5, wanted: 9, confirmed: 2, left: 3 }],
  ...{ seconds: 1, eventsPerSecond: 9.4, flowMs: { p50: 12, p99: 30 }, kills: 0, mistakes: [] },
};

it("the closing table says that the books balance", () => {
  expect(formatReport(report)).toMatch(/orders sent +3\n.*different orders +2\n/s);
  expect(formatReport(report)).toMatch(/Mug +5 +9 +2 +3/);
  expect(formatReport(report)).toContain("The books balance");
});

it("books that do not balance are said so loudly, with the first twenty reasons", () => {
  const mistakes = Array.from({ length: 25 }, (_, at) => `order A-${at} is lost`);
  const text = formatReport({ ...report, mistakes, flowMs: undefined });
  expect(text).toContain("THE BOOKS DO NOT BALANCE");
  expect(text).toContain("order A-19 is lost\n  and 5 more");
});

it("a percentile is the value that so many are not above", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99)]).toEqual([50, 99, 7]);
});
