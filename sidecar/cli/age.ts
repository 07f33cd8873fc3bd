const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** How long ago, in the two largest units: `2h 5m`. */
export function formatAge(ms: number): string {
  const at = units.findIndex(([, size]) => ms >= size);
  if (at < 0) return "0s";
  const [name, size] = units[at] as (typeof units)[number];
  const next = units[at + 1];
  const rest = next ? Math.floor((ms % size) / next[1]) : 0;
  return `${Math.floor(ms / size)}${name}${next && rest > 0 ? ` ${rest}${next[0]}` : ""}`;
}
