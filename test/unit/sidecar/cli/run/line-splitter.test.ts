import { expect, test } from "vitest";
import { LineSplitter } from "../../../../../sidecar/cli/run/line-splitter.ts";

function split(chunks: readonly (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(Buffer.from(chunk as string));
  splitter.end();
  return lines;
}

test("lines come whole however they are cut", () => {
  expect(split(["a\nb", "c\n", "\nd"])).toEqual(["a", "bc", "", "d"]);
  expect(split(["a\r", "\nb\r\n"])).toEqual(["a", "b"]);
  expect(split([])).toEqual([]);
});

test("a character cut in two stays one", () => {
  const bytes = Buffer.from("€\n");
  expect(split([bytes.subarray(0, 1), bytes.subarray(1)])).toEqual(["€"]);
});

test("a line without end does not pile up", () => {
  const lines = split(["x".repeat(200_000)]);
  expect(lines.join("")).toHaveLength(200_000);
  expect(Math.max(...lines.map((line) => line.length))).toBe(65_536);
});
