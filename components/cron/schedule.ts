import { Cron } from "croner";

/** When a cron binding fires. */
export interface Schedule {
  /** IANA name of the time zone in which the fields are read. */
  readonly timeZone: string;
  /** First moment after `from` (both milliseconds since 1970), or undefined when there is none. */
  next(from: number): number | undefined;
}

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const term = /(\d+(?:\.\d+)?)(ms|s|m|h)/y;

/**
 * Reads `@every 1m30s`, `@hourly` and its like, or five or six fields (six: seconds first), optionally after
 * `CRON_TZ=<zone>`.
 * @throws Error that names what is wrong
 */
export function parseSchedule(text: string): Schedule {
  const zoned = /^(?:CRON_)?TZ=(\S+)\s+/.exec(text.trim());
  const rest = text.trim().slice(zoned?.[0].length ?? 0);
  const every = /^@every\s+(.*)$/i.exec(rest);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (every) {
    const period = everyMs(every[1] ?? "");
    return { timeZone: zoned?.[1] ?? here, next: (from) => from + period };
  }
  // "?" means "any" in this format; the library reads it as "now".
  const fields = rest.replaceAll("?", "*");
  const cron = new Cron(fields, {
    paused: true,
    mode: "5-or-6-parts",
    sloppyRanges: true,
    ...(zoned?.[1] ? { timezone: zoned[1] } : {}),
  });
  return { timeZone: zoned?.[1] ?? here, next: (from) => cron.nextRun(new Date(from))?.getTime() };
}

/** A period in whole seconds, one at least: that is how fine the published format is. */
function everyMs(text: string): number {
  let total = 0;
  term.lastIndex = 0;
  while (term.lastIndex < text.length) {
    const found = term.exec(text);
    if (!found) throw new Error(`@every ${text}: write a period such as "10s", "5m" or "1h30m"`);
    total += Number(found[1]) * units[found[2] as keyof typeof units];
  }
  if (total <= 0) throw new Error(`@every ${text}: the period must be over 0`);
  return Math.max(1, Math.floor(total / 1000)) * 1000;
}
