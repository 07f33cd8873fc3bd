import { expect, test } from "vitest";
import { textWidth, wrapText } from "../../../../sidecar/cli/text-width.ts";

test.each([
  ["plain", 5],
  ["", 0],
  ["\u001b[31mred\u001b[39m", 3],
  ["naïve", 5],
  ["e\u0301", 1],
  ["日本", 4],
  ["👩‍👩‍👧 ok", 5],
])("%j takes its cells of the terminal", (text, width) => {
  expect(textWidth(text)).toBe(width);
});

test("text breaks between words, and inside a word that is too long for a line", () => {
  expect(wrapText("the quick brown fox", 10)).toEqual(["the quick", "brown fox"]);
  expect(wrapText("incomprehensible", 6)).toEqual(["incomp", "rehens", "ible"]);
  expect(wrapText("a incomprehensible b", 6)).toEqual(["a", "incomp", "rehens", "ible b"]);
  expect(wrapText("one\ntwo", 10)).toEqual(["one", "two"]);
  expect(wrapText("日本語", 4)).toEqual(["日本", "語"]);
});
