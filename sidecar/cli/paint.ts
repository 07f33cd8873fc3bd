import { styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];

/** Colours a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Colours for an output that wants them. */
export function painter({ colors }: { readonly colors: boolean }): Paint {
  // Whether there are colours has been decided; the stream is not asked again.
  return colors ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;
}
