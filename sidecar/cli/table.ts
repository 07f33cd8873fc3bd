import type { Output } from "./context.ts";
import { type Paint, painter, type Style } from "./paint.ts";
import { textWidth, wrapText } from "./text-width.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Gives up width, breaking its text, when the table is wider than the screen. */
  readonly wraps?: boolean;
  readonly style?: Style;
}

const gap = "  ";
const narrowest = 10;

/**
 * Lines up rows below titles. Columns in which every cell is empty are left out. Wider than the output, the columns
 * that wrap share what is left; an output that is no screen gets every row on one line. Ends with a line break.
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], output: Output): string {
  const used = columns.map((_, at) => at).filter((at) => rows.some((row) => row[at]));
  const kept = used.map((at) => columns[at] as Column);
  const cells = rows.map((row) => used.map((at) => row[at] ?? ""));
  const natural = kept.map(({ title }, at) => {
    return Math.max(textWidth(title), ...cells.flatMap((row) => (row[at] as string).split("\n").map(textWidth)));
  });
  const widths = shrink(kept, natural, output.columns);
  const paint = painter(output);
  const head = kept.map(({ title }) => title);
  const lines = [
    ...rowLines(
      head,
      kept.map((column) => ({ ...column, style: "bold" as const })),
      widths,
      paint,
    ),
    ...cells.flatMap((row) => rowLines(row, kept, widths, paint)),
  ];
  return `${lines.join("\n")}\n`;
}

function shrink(columns: readonly Column[], natural: readonly number[], available: number): number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1);
  // The widest gives way first, so that short columns stay whole.
  for (let over = total() - available; over > 0; over = total() - available) {
    const widest = Math.max(0, ...widths.filter((width, at) => columns[at]?.wraps && width > narrowest));
    if (widest === 0) break;
    widths[widths.findIndex((width, at) => columns[at]?.wraps && width === widest)] = widest - 1;
  }
  return widths;
}

function rowLines(
  row: readonly string[],
  columns: readonly Column[],
  widths: readonly number[],
  paint: Paint,
): string[] {
  const broken = row.map((cell, at) => (columns[at]?.wraps ? wrapText(cell, widths[at] ?? 0) : cell.split("\n")));
  const height = Math.max(...broken.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => {
    const painted = broken.map((lines, at) => {
      const { align = "left", style } = columns[at] as Column;
      const text = lines[line] ?? "";
      const space = " ".repeat(Math.max(0, (widths[at] ?? 0) - textWidth(text)));
      const shown = style && text !== "" ? paint(style, text) : text;
      return align === "right" ? space + shown : shown + space;
    });
    return painted.join(gap).trimEnd();
  });
}
