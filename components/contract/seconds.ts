/** Some 7900 years: an end that far away still has a year of four digits, the most that timestamps of all backends hold. */
export const longestSeconds = 250_000_000_000;

/** A time to live as callers write it, in decimal digits; undefined: the text is no whole number, or it is too large. */
export function findSeconds(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const seconds = Number(text);
  return seconds <= longestSeconds ? seconds : undefined;
}
