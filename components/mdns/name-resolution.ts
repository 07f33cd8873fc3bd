import type { RemoteInfo } from "node:dgram";
import type { MulticastDns, Packet } from "multicast-dns";
import { type Static, Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { defineResolver, type Instance } from "../contract/name-resolution.ts";
import { durationMs, integer, text } from "../contract/settings.ts";
import { answerTo, browseName, recordsOf, serviceName, sightingsIn } from "./records.ts";
import { Sightings } from "./sightings.ts";

const metadata = Type.Object({
  timeout: durationMs({ default: 1000, unit: "s", description: "Longest wait for the first sidecar of an app." }),
  interface: Type.Optional(text({ description: "Address of the network interface to use; default: all of them." })),
  port: integer({ default: 5353, minimum: 1, maximum: 65535, description: "UDP port; 5353 is that of multicast DNS." }),
});
type Settings = Static<typeof metadata>;

/** Age at which what is known of an app is asked for again. */
const refreshMs = 30_000;
/** Waits between asking again while nobody has answered; packets get lost. */
const askAgainMs = [100, 300];
/** After asking in vain, for so long the answer is "none" without asking. */
const vainMs = 1000;
/** So many names are remembered as asked for. */
const maxAsked = 1000;
/** A second announcement, in case the first got lost (RFC 6762, section 8.3). */
const announceAgainMs = 1000;

export default defineResolver({
  type: "nameresolution.mdns",
  status: "beta",
  summary: "Finds sidecars on the local network by multicast DNS.",
  metadata,
  async open(settings, context) {
    const dns = await openSocket(settings, context);
    const neighbourhood = new Neighbourhood(dns, settings, context);
    return {
      register: (instance) => neighbourhood.register(instance),
      resolve: (appId, _namespace, call) => neighbourhood.resolve(appId, call),
      known: async () => neighbourhood.known(),
      close: () => neighbourhood.close(),
    };
  },
});

async function openSocket({ port, interface: address }: Settings, { log, name }: OpenContext): Promise<MulticastDns> {
  const { default: open } = await import("multicast-dns");
  const dns = open({ port, ...(address ? { interface: address } : {}) });
  try {
    await new Promise<void>((resolve, reject) => dns.once("ready", resolve).once("error", reject));
  } catch (error) {
    await new Promise<void>((resolve) => dns.destroy(resolve));
    throw fail(
      "openFailed",
      { why: `multicast DNS cannot use UDP port ${port}: ${causeText(error)}` },
      { cause: error },
    );
  }
  const complain = (error: Error) => log.debug("multicast DNS", { component: name, error: causeText(error) });
  dns.on("warning", complain).on("error", complain);
  return dns;
}

/** The sidecars around us, and ours among them. */
class Neighbourhood {
  readonly #dns: MulticastDns;
  readonly #settings: Settings;
  readonly #clock: OpenContext["clock"];
  readonly #own: Instance[] = [];
  readonly #sightings: Sightings;
  readonly #askedAt = new Map<string, number>();
  readonly #vainUntil = new Map<string, number>();
  readonly #cancels = new Set<() => void>();
  #closed: Promise<void> | undefined;

  constructor(dns: MulticastDns, settings: Settings, { clock }: OpenContext) {
    this.#dns = dns;
    this.#settings = settings;
    this.#clock = clock;
    this.#sightings = new Sightings(clock);
    dns.on("query", (packet, from) => this.#answer(packet, from));
    dns.on("response", (packet, from) => {
      for (const sighting of sightingsIn(packet, from.address)) this.#sightings.add(sighting);
    });
  }

  async register(instance: Instance): Promise<void> {
    this.#own.push(instance);
    await this.#announce(instance);
    const cancel = this.#clock.after(announceAgainMs, () => {
      this.#cancels.delete(cancel);
      void this.#announce(instance);
    });
    this.#cancels.add(cancel);
  }

  async resolve(appId: string, call: Call): Promise<readonly string[]> {
    const found = this.#sightings.addresses(appId);
    const now = this.#clock.now();
    if (found.length > 0) {
      if (now - (this.#askedAt.get(appId) ?? 0) >= refreshMs) this.#ask(appId);
      return found;
    }
    if (now < (this.#vainUntil.get(appId) ?? 0)) return [];
    // Callers may ask for any number of names.
    for (const times of [this.#vainUntil, this.#askedAt]) if (times.size > maxAsked) times.clear();
    return this.#firstSighting(appId, call);
  }

  known(): readonly string[] {
    return this.#sightings.apps();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    await Promise.all(this.#own.map((instance) => this.#announce(instance, 0)));
    await new Promise<void>((resolve) => this.#dns.destroy(resolve));
  }

  /** Asks until somebody answers or the time is over. */
  #firstSighting(appId: string, { signal }: Call): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const ends: (() => void)[] = [];
      const end = (settle: () => void) => {
        for (const stop of ends) stop();
        settle();
      };
      const leave = () => end(() => reject(signal?.reason));
      if (signal?.aborted) return leave();
      signal?.addEventListener("abort", leave, { once: true });
      ends.push(() => signal?.removeEventListener("abort", leave));
      ends.push(this.#sightings.listen(appId, () => end(() => resolve(this.#sightings.addresses(appId)))));
      for (const ms of askAgainMs) ends.push(this.#clock.after(ms, () => this.#ask(appId)));
      const inVain = () => {
        this.#vainUntil.set(appId, this.#clock.now() + vainMs);
        end(() => resolve([]));
      };
      ends.push(this.#clock.after(this.#settings.timeout, inVain));
      this.#ask(appId);
    });
  }

  #ask(appId: string): void {
    this.#askedAt.set(appId, this.#clock.now());
    const questions = [serviceName(appId), browseName].map((name) => ({ name, type: "PTR" }));
    this.#dns.query({ questions });
  }

  #answer({ id, questions = [] }: Packet, from: RemoteInfo): void {
    for (const question of questions) {
      for (const instance of this.#own) {
        const answer = answerTo(question, instance);
        if (!answer) continue;
        // Who asks from another port does not hear what is said to all (RFC 6762, section 6.7).
        if (from.port !== this.#settings.port)
          this.#dns.respond({ ...answer, id: id ?? 0, questions: [question] }, from);
        else this.#dns.respond(answer);
      }
    }
  }

  #announce(instance: Instance, ttl?: number): Promise<void> {
    const { type, pointer, service, text, hosts } = recordsOf(instance, ttl);
    // An app may have other sidecars: that one leaves does not take back its type.
    const answers = ttl === 0 ? [pointer, service, text] : [type, pointer, service, text];
    return new Promise((resolve) => this.#dns.respond({ answers, additionals: hosts }, null, () => resolve()));
  }
}
