import type { Msg, Subscription } from "@nats-io/transport-node";
import type { Clock } from "../contract/driver.ts";
import { toNanos } from "./api.ts";
import type { Link } from "./link.ts";
import { type Delivered, readDelivered } from "./message.ts";

export interface Pulling {
  readonly stream: string;
  /** How many messages could be taken now. */
  wanted(): number;
  take(message: Delivered): void;
  /** Nothing is heard of the consumer any more, or it is gone. Whoever answers calls `start`. */
  onSilence(): void;
  readonly heartbeatMs: number;
  /** Most bits per second; undefined: no limit. */
  readonly bitsPerSecond: number | undefined;
}

const expiresMs = 30_000;
const silentBeats = 2.5;
const shortestBeatMs = 500;

/**
 * Asks a consumer for as many messages as can be taken: so what waits for a handler waits in the stream, where others can
 * have it. Asks for several at once while many are on their way, and at once for one when none is.
 */
export class Puller {
  readonly #link: Link;
  readonly #pulling: Pulling;
  readonly #clock: Clock;
  readonly #beatMs: number;
  #consumer = "";
  #inbox = "";
  #subscription: Subscription | undefined;
  /** Asked for and not yet come. */
  #asked = 0;
  #heardAt = 0;
  #cancelWatch: () => void = () => {};
  #cancelPause: (() => void) | undefined;
  /** With a limit of the rate: when the next message may come. */
  #freeAt = 0;

  constructor(link: Link, pulling: Pulling, clock: Clock) {
    this.#link = link;
    this.#pulling = pulling;
    this.#clock = clock;
    this.#beatMs = Math.min(Math.max(pulling.heartbeatMs, shortestBeatMs), expiresMs / 3);
  }

  /** Begins to pull, or begins anew: what was asked for before does not come any more. */
  start(consumer: string): void {
    this.stop();
    this.#consumer = consumer;
    this.#inbox = this.#link.newInbox();
    const inbox = this.#inbox;
    this.#subscription = this.#link.listen(inbox, (message) => {
      if (inbox === this.#inbox) this.#came(message);
    });
    this.#heardAt = this.#clock.now();
    this.#watch();
    this.ask();
  }

  #watch(): void {
    this.#cancelWatch = this.#clock.after(this.#beatMs, () => {
      const now = this.#clock.now();
      // Who asks for nothing hears nothing.
      if (this.#asked === 0 || !this.#link.isUp) this.#heardAt = now;
      if (now - this.#heardAt > this.#beatMs * silentBeats) this.#pulling.onSilence();
      else this.#watch();
    });
  }

  /** There may be room for more. */
  ask(): void {
    if (this.#subscription === undefined || this.#cancelPause) return;
    const isSlow = this.#pulling.bitsPerSecond !== undefined;
    const wanted = this.#pulling.wanted();
    const batch = wanted - this.#asked;
    if (batch <= 0 || (this.#asked > 0 && (isSlow || batch < wanted / 4))) return;
    const pauseMs = this.#freeAt - this.#clock.now();
    if (pauseMs > 0) {
      this.#cancelPause = this.#clock.after(pauseMs, () => {
        this.#cancelPause = undefined;
        this.ask();
      });
      return;
    }
    // With a limit one at a time, because what is on its way cannot be held back.
    const count = isSlow ? 1 : batch;
    this.#asked += count;
    const request = { batch: count, expires: toNanos(expiresMs), idle_heartbeat: toNanos(this.#beatMs) };
    const name = `CONSUMER.MSG.NEXT.${this.#pulling.stream}.${this.#consumer}`;
    this.#link.publish(this.#link.apiSubject(name), JSON.stringify(request), this.#inbox);
  }

  #came(message: Msg): void {
    this.#heardAt = this.#clock.now();
    const delivered = readDelivered(message);
    if (delivered) {
      this.#asked = Math.max(0, this.#asked - 1);
      this.#slowDown(message);
      this.#pulling.take(delivered);
      this.ask();
    } else if (message.headers) this.#said(message.headers);
  }

  #said(headers: NonNullable<Msg["headers"]>): void {
    const beat = 100;
    if (headers.code === beat) return;
    const left = headers.get("Nats-Pending-Messages");
    if (left !== "") {
      this.#asked = Math.max(0, this.#asked - Number(left));
      this.ask();
      return;
    }
    // It does not say how much will not come: all is asked for anew, after a pause, because the trouble may go on.
    this.#asked = 0;
    this.#cancelWatch();
    this.#cancelWatch = this.#clock.after(shortestBeatMs, () => this.#pulling.onSilence());
  }

  #slowDown({ data }: Msg): void {
    const { bitsPerSecond } = this.#pulling;
    if (bitsPerSecond === undefined) return;
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now()) + (data.length * 8 * 1000) / bitsPerSecond;
  }

  /** Asks for no more and forgets what is on its way. */
  stop(): void {
    this.#cancelWatch();
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#asked = 0;
    this.#inbox = "";
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  /** Asks for no more and settles when all that was on its way has come. */
  async drain(): Promise<void> {
    const subscription = this.#subscription;
    this.#cancelPause?.();
    this.#cancelWatch();
    this.#subscription = undefined;
    // What comes is still taken: the server has counted it as delivered.
    if (subscription && this.#link.isUp) await subscription.drain().catch(() => {});
    this.stop();
  }
}
