import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { defineKeyStore, type Jwk } from "../contract/crypto.ts";
import type { OpenContext } from "../contract/driver.ts";
import { durationMs, secret } from "../contract/settings.ts";
import { findSource, type Source } from "./source.ts";

export default defineKeyStore({
  type: "crypto.dapr.jwks",
  aliases: ["crypto.jwks"],
  status: "beta",
  summary: "Keys from a JSON Web Key Set, picked by their kid.",
  metadata: Type.Object({
    jwks: secret({
      description: "The key set: JSON, JSON in base64, the path of a file, or an http(s) URL.",
      example: "https://example.com/.well-known/jwks.json",
    }),
    requestTimeout: durationMs({ default: 30_000, description: "Longest wait for the server of a URL.", unit: "s" }),
    minRefreshInterval: durationMs({
      default: 600_000,
      description: "Shortest time between two readings of a file or URL.",
      unit: "s",
    }),
  }),
  async open({ jwks, requestTimeout, minRefreshInterval }, context) {
    const keys = new RefreshedKeys(findSource(jwks), requestTimeout, minRefreshInterval, context);
    try {
      await keys.refresh();
    } catch (error) {
      throw fail("openFailed", { why: `jwks cannot be read: ${causeText(error)}` }, { cause: error });
    }
    return {
      async key(name) {
        const key = await keys.find(name);
        if (!key) throw fail("cryptoKey", { key: name, cause: "no key of the set has this kid" });
        return key;
      },
      close: async () => keys.close(),
    };
  },
});

/** A key set that is read again when it has become old and is asked for. */
class RefreshedKeys {
  readonly #source: Source;
  readonly #timeoutMs: number;
  readonly #intervalMs: number;
  readonly #context: OpenContext;
  readonly #closing = new AbortController();
  #keys: ReadonlyMap<string, Jwk> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(source: Source, timeoutMs: number, intervalMs: number, context: OpenContext) {
    this.#source = source;
    this.#timeoutMs = timeoutMs;
    this.#intervalMs = intervalMs;
    this.#context = context;
  }

  /** A known key is given at once, even when the set is old: only a key that is not there is worth a wait. */
  async find(name: string): Promise<Jwk | undefined> {
    const old = this.#source.refreshes && this.#context.clock.now() - this.#readAt >= this.#intervalMs;
    const reading = old ? this.refresh() : this.#reading;
    const settled = reading?.catch((error: unknown) => {
      this.#context.log.warn("the key set could not be read again; the keys read before stay in use", {
        component: this.#context.name,
        error: causeText(error),
      });
    });
    if (!this.#keys.has(name)) await settled;
    return this.#keys.get(name);
  }

  /** Reads the set; several callers share one reading. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  close(): void {
    this.#closing.abort(new Error("the component is closed"));
  }

  async #read(): Promise<void> {
    const { clock, signal } = this.#context;
    // Set before the outcome is known: a server that fails is not asked more often than one that answers.
    this.#readAt = clock.now();
    const late = new AbortController();
    const cancel = clock.after(this.#timeoutMs, () => late.abort(new Error(`no answer within ${this.#timeoutMs} ms`)));
    try {
      this.#keys = await this.#source.load(AbortSignal.any([late.signal, signal, this.#closing.signal]));
    } finally {
      cancel();
    }
  }
}
