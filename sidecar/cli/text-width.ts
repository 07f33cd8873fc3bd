import { stripVTControlCharacters } from "node:util";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const invisible = /^[\p{Mark}\p{Cf}\p{Cc}]+$/u;
// Characters that take two cells: East Asian ones and pictures.
const wide =
  /^[\u{1100}-\u{115f}\u{2e80}-\u{303e}\u{3041}-\u{33ff}\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{a000}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe4f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Cells of a terminal that a text takes; escape sequences take none. */
export function textWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of graphemes.segment(plain)) width += invisible.test(segment) ? 0 : wide.test(segment) ? 2 : 1;
  return width;
}

/** Breaks a text without escape sequences into lines of at most `width` cells, between words where that is possible. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const written of text.split("\n")) {
    let line = "";
    for (const word of written.split(" ")) {
      const longer = line === "" ? word : `${line} ${word}`;
      if (textWidth(longer) <= width) {
        line = longer;
        continue;
      }
      if (line !== "") lines.push(line);
      const pieces = chop(word, width);
      line = pieces.pop() ?? "";
      lines.push(...pieces);
    }
    lines.push(line);
  }
  return lines;
}

function chop(word: string, width: number): string[] {
  const pieces = [""];
  for (const { segment } of graphemes.segment(word)) {
    const last = pieces.length - 1;
    const longer = `${pieces[last]}${segment}`;
    if (pieces[last] === "" || textWidth(longer) <= width) pieces[last] = longer;
    else pieces.push(segment);
  }
  return pieces;
}
