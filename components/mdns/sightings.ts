import type { Clock } from "../contract/driver.ts";
import type { Sighting } from "./records.ts";

/** How long a sidecar is remembered after it was last heard of. */
const rememberedMs = 60_000;
/** A network full of made-up names must not fill the memory. */
const maxApps = 1000;

/** What was heard of whom, and who waits to hear. App ids are compared without regard to case, as DNS names are. */
export class Sightings {
  readonly #clock: Clock;
  /** Moment at which each address is forgotten, by app; the empty address stands for the app's existence. */
  readonly #apps = new Map<string, Map<string, number>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add({ appId, address = "", gone }: Sighting): void {
    const id = appId.toLowerCase();
    const app = this.#apps.get(id) ?? new Map<string, number>();
    if (gone) {
      app.delete(address);
      if (address === "" || ![...app.keys()].some(Boolean)) this.#apps.delete(id);
      return;
    }
    if (!this.#apps.has(id) && this.#apps.size >= maxApps) this.#forgetOld();
    if (!this.#apps.has(id) && this.#apps.size >= maxApps) return;
    this.#apps.set(id, app);
    app.set(address, this.#clock.now() + rememberedMs);
    if (address === "") return;
    for (const tell of this.#waiting.get(id) ?? []) tell();
  }

  /** Addresses of an app that are remembered now. */
  addresses(appId: string): readonly string[] {
    return this.#alive(this.#apps.get(appId.toLowerCase())).filter((address) => address !== "");
  }

  /** Apps that were heard of. */
  apps(): readonly string[] {
    return [...this.#apps].flatMap(([id, app]) => (this.#alive(app).length > 0 ? [id] : [])).sort();
  }

  /** Calls `tell` whenever an address of the app is heard, until the returned function is called. */
  listen(appId: string, tell: () => void): () => void {
    const id = appId.toLowerCase();
    const listeners = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, listeners.add(tell));
    return () => {
      listeners.delete(tell);
      if (listeners.size === 0) this.#waiting.delete(id);
    };
  }

  #alive(app: ReadonlyMap<string, number> | undefined): string[] {
    const now = this.#clock.now();
    return [...(app ?? [])].flatMap(([address, until]) => (until > now ? [address] : []));
  }

  #forgetOld(): void {
    for (const [id, app] of this.#apps) if (this.#alive(app).length === 0) this.#apps.delete(id);
  }
}
