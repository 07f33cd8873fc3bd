import { expect, test } from "vitest";
import { formatTable } from "../../../../sidecar/cli/table.ts";
import { textWidth } from "../../../../sidecar/cli/text-width.ts";
import { writtenOutput } from "../../../support/cli-context.ts";

const columns = [{ title: "NAME" }, { title: "PORT", align: "right" }, { title: "ABOUT", wraps: true }] as const;
const rows = [
  ["orders", "80", "takes orders from whoever sends them"],
  ["pay", "8080", "is paid"],
];

test("columns line up, numbers at the right, and lines end with their text", () => {
  expect(formatTable(columns, rows, writtenOutput())).toBe(
    ["NAME    PORT  ABOUT", "orders    80  takes orders from whoever sends them", "pay     8080  is paid", ""].join(
      "\n",
    ),
  );
});

test("a column in which nothing is written is left out", () => {
  expect(formatTable(columns, [["a", "", "x"]], writtenOutput())).toBe("NAME  ABOUT\na     x\n");
});

test("a table wider than the screen breaks the text of the columns that may wrap", () => {
  const output = writtenOutput({ columns: 34 });
  const text = formatTable(columns, rows, output);
  expect(text).toBe(
    [
      "NAME    PORT  ABOUT",
      "orders    80  takes orders from",
      "              whoever sends them",
      "pay     8080  is paid",
      "",
    ].join("\n"),
  );
  for (const line of text.split("\n")) expect(textWidth(line)).toBeLessThanOrEqual(34);
});

test("a screen too narrow for all gets the columns as narrow as they may be", () => {
  const text = formatTable(columns, rows, writtenOutput({ columns: 5 }));
  expect(text.split("\n")[1]).toBe("orders    80  takes");
});

test("wide characters and colours do not shift columns", () => {
  const two = [{ title: "A", style: "cyan" }, { title: "B" }] as const;
  const text = formatTable(
    two,
    [
      ["日本", "x"],
      ["abcd", "y"],
    ],
    writtenOutput({ colors: true }),
  );
  const [, first = "", second = ""] = text.split("\n");
  expect(first).toContain("\u001b[36m日本\u001b[39m  x");
  expect(second).toContain("\u001b[36mabcd\u001b[39m  y");
});
