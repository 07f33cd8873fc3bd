import type { Redis } from "ioredis";
import { causeText } from "../../specs/errors.ts";
import type { Log } from "../contract/driver.ts";

const setting = "notify-keyspace-events";
/** K: by key; g: deleted, renamed and the like; $: texts; x: ended; e: evicted. A stands for all but K and E. */
const needed = "Kg$xe";

/** The setting as it is, with what is missing for us; the same text: nothing is. */
export function withNeeded(flags: string): string {
  const missing = [...needed].filter((flag) => !flags.includes(flag) && !(flag !== "K" && flags.includes("A")));
  return flags + missing.join("");
}

/** Makes a server announce changes of keys, where it does not yet and lets us. */
export async function enableKeyEvents(
  address: string,
  use: <T>(act: (server: Redis) => Promise<T>) => Promise<T>,
  log: Log,
): Promise<void> {
  try {
    const [, flags = ""] = (await use((server) => server.config("GET", setting))) as readonly string[];
    const wanted = withNeeded(flags);
    if (wanted === flags) return;
    await use((server) => server.config("SET", setting, wanted));
    log.info(`${setting} of Redis at ${address} was ${JSON.stringify(flags)} and is now ${JSON.stringify(wanted)}`);
  } catch (error) {
    const advice = `set ${setting} to ${needed} there, or changes of items are not heard`;
    log.warn(`${setting} of Redis at ${address} cannot be looked after (${causeText(error)}): ${advice}`);
  }
}
