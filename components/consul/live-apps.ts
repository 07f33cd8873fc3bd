import { causeText } from "../../specs/errors.ts";
import type { Clock, Log } from "../contract/driver.ts";
import { type Found, type Lookup, lookUp } from "./lookup.ts";

/** An app that is asked for: its sidecars as they are by now. */
interface Live {
  /** Undefined: they cannot be told just now. */
  found: Found | undefined;
  usedAt: number;
  readonly ending: AbortController;
}

/** Nobody has asked for so long: the app is no longer followed. */
const idleMs = 5 * 60_000;
const mostApps = 1000;
const againAfterMs = { least: 1000, most: 30_000 };

/** The sidecars of apps, kept in memory and changed as Consul tells of changes. An app is followed once it is asked for. */
export class LiveApps {
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #apps = new Map<string, Live>();
  #isClosed = false;

  constructor(lookup: Lookup, clock: Clock, log: Log) {
    this.#lookup = lookup;
    this.#clock = clock;
    this.#log = log;
  }

  async resolve(appId: string, signal?: AbortSignal): Promise<readonly string[]> {
    const live = this.#apps.get(appId);
    if (live?.found) {
      live.usedAt = this.#clock.now();
      return live.found.addresses;
    }
    const found = await lookUp(this.#lookup, appId, undefined, signal);
    if (!live && !this.#isClosed && this.#apps.size < mostApps) this.#follow(appId, found);
    return found.addresses;
  }

  close(): void {
    this.#isClosed = true;
    for (const { ending } of this.#apps.values()) ending.abort();
    this.#apps.clear();
  }

  #follow(appId: string, found: Found): void {
    const live: Live = { found, usedAt: this.#clock.now(), ending: new AbortController() };
    this.#apps.set(appId, live);
    void this.#keep(appId, live);
  }

  async #keep(appId: string, live: Live): Promise<void> {
    const { signal } = live.ending;
    let failures = 0;
    // Without a place to go on from, the first answer comes at once.
    for (let since = live.found?.index ?? 0; !signal.aborted; ) {
      if (this.#clock.now() - live.usedAt > idleMs) break;
      try {
        const found = await lookUp(this.#lookup, appId, Math.max(1, since), signal);
        // An index that goes back is of a server that has begun anew.
        const isEarly = found.index <= since;
        since = found.index < since ? 0 : found.index;
        live.found = found;
        failures = 0;
        if (isEarly) await wait(this.#clock, againAfterMs.least, signal);
      } catch (error) {
        if (signal.aborted) return;
        // What was known may be wrong by now: callers ask for themselves.
        live.found = undefined;
        since = 0;
        failures += 1;
        if (failures === 1) {
          this.#log.warn("changes of an app cannot be followed; trying again", { app: appId, error: causeText(error) });
        }
        await wait(this.#clock, Math.min(againAfterMs.most, againAfterMs.least * 2 ** failures), signal);
      }
    }
    if (this.#apps.get(appId) === live) this.#apps.delete(appId);
  }
}

function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
}
