import type { Clock, Subscription as Closable, Log } from "../../../components/contract/driver.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import type { Subscription } from "../../kernel/config-types.ts";
import type { Broker } from "./brokers.ts";
import type { Delivery } from "./delivery.ts";
import { type DeliveryPlan, readDeliveryPlan } from "./delivery-plan.ts";
import type { Publisher } from "./publish.ts";
import { Held } from "./settling.ts";

/** How long what is in flight may take when a subscription closes. */
const drainMs = 30_000;
const firstPauseMs = 500;
const longestPauseMs = 30_000;

/**
 * waiting: for its component or the app; attaching: being tried; paused: until somebody resumes it; failed: will not be
 * tried again as it is written.
 */
export type AttachmentState = "waiting" | "attaching" | "attached" | "paused" | "failed" | "closed";

export interface AttachmentDeps {
  readonly publisher: Publisher;
  readonly appId: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The sidecar's own subscriptions stand above the scopes. */
  readonly unscoped?: true;
}

/** One subscription at one broker: opened, tried again when that fails, closed without losing what is in flight. */
export class Attachment {
  readonly #broker: Broker;
  readonly #subscription: Subscription;
  readonly #open: (plan: DeliveryPlan) => Delivery;
  readonly #deps: AttachmentDeps;
  readonly #controller = new AbortController();
  #plan: DeliveryPlan | undefined;
  #delivery: Delivery | undefined;
  #opened: Closable | undefined;
  #cancelRetry = () => {};
  #closed = false;
  #closing: Promise<void> | undefined;
  state: AttachmentState = "waiting";
  /** Why it is not attached. */
  why: string | undefined;

  /** `open` makes the receiving end; it throws when the subscription cannot work as it is written. */
  constructor(
    broker: Broker,
    subscription: Subscription,
    open: (plan: DeliveryPlan) => Delivery,
    deps: AttachmentDeps,
  ) {
    this.#broker = broker;
    this.#subscription = subscription;
    this.#open = open;
    this.#deps = deps;
  }

  /** The receiving end, while messages may come. */
  get delivery(): Delivery | undefined {
    return this.#closed ? undefined : this.#delivery;
  }

  /** Tries until the subscription stands or is closed; never rejects. */
  start(): void {
    void this.#attempt(firstPauseMs);
  }

  async #attempt(pauseMs: number): Promise<void> {
    const { log, clock } = this.#deps;
    const { topic } = this.#subscription;
    const fields = { pubsub: this.#broker.name, topic };
    try {
      await this.attach();
      log.info("subscribed", fields);
    } catch (error) {
      if (this.#closed) return;
      this.why = causeText(error);
      // Only the broker may change its mind; the subscription stays as it is written.
      if (!this.#delivery) {
        this.state = "failed";
        log.error("the subscription is not usable", { ...fields, error: this.why });
        return;
      }
      this.state = "attaching";
      log.error("cannot subscribe; trying again", { ...fields, error: this.why, pauseMs });
      this.#cancelRetry = clock.after(pauseMs, () => void this.#attempt(Math.min(pauseMs * 2, longestPauseMs)));
    }
  }

  /** One try. Rejects with `pubsubForbidden` or `subscribeFailed`; resolves when messages flow. */
  async attach(): Promise<void> {
    const { name, topicPrefix, group, opened } = this.#broker;
    const { topic, metadata } = this.#subscription;
    this.state = "attaching";
    this.#plan ??= this.#readPlan();
    this.#delivery ??= this.#prepare(this.#plan);
    const delivery = this.#delivery;
    const { prefetch, order } = this.#plan;
    const options = { topic: topicPrefix + topic, group, metadata, concurrency: prefetch, order };
    let subscription: Closable;
    try {
      subscription = await opened.subscribe(options, delivery.handle, { signal: this.#controller.signal });
    } catch (error) {
      throw fail("subscribeFailed", { name, topic, cause: causeText(error) }, { cause: error });
    }
    if (this.#closed) {
      await subscription.close();
      throw fail("subscribeFailed", { name, topic, cause: "it was closed meanwhile" });
    }
    this.#opened = subscription;
    this.state = "attached";
    this.why = undefined;
  }

  #readPlan(): DeliveryPlan {
    const { name, has } = this.#broker;
    const { topic } = this.#subscription;
    const refused = (cause: string) => fail("subscribeFailed", { name, topic, cause });
    let plan: DeliveryPlan;
    try {
      plan = readDeliveryPlan(this.#subscription);
    } catch (error) {
      throw refused(causeText(error));
    }
    if (plan.order === "none" || has("ordering")) return plan;
    throw refused(`this broker cannot keep the order ${plan.order} among the sidecars of a group; use order: none`);
  }

  #prepare(plan: DeliveryPlan): Delivery {
    const { publisher, appId, unscoped } = this.#deps;
    const { topic, deadLetterTopic } = this.#subscription;
    const { name, scopes } = this.#broker;
    if (!unscoped && !scopes.maySubscribe(topic)) throw fail("pubsubForbidden", { name, topic, appId });
    if (deadLetterTopic !== undefined && deadLetterTopic === topic) {
      const cause = "deadLetterTopic is the topic itself; name another one";
      throw fail("subscribeFailed", { name, topic, cause });
    }
    if (deadLetterTopic !== undefined && !unscoped) publisher.check(this.#broker, deadLetterTopic);
    return this.#open(plan);
  }

  /**
   * Takes no more messages and settles when those in flight are settled, after 30 s by taking them back. Unsettled ones
   * stay with the broker. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    // Only an attempt under way: a driver may tie what stands to the signal it was opened with.
    if (!this.#opened) this.#controller.abort(new Held("the subscription is closing"));
    this.#delivery?.stop();
    const cancel = this.#deps.clock.after(drainMs, () => this.#delivery?.abort());
    try {
      await this.#opened?.close();
    } catch (error) {
      const fields = { pubsub: this.#broker.name, topic: this.#subscription.topic, error: causeText(error) };
      this.#deps.log.warn("the subscription did not close well", fields);
    } finally {
      cancel();
      this.state = "closed";
    }
  }
}
