import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import type { App, AppHealth } from "../../kernel/app.ts";
import type { Component, Components } from "../../kernel/components.ts";
import type { Subscription } from "../../kernel/config-types.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import { Attachment, type AttachmentDeps, type AttachmentState } from "./attachment.ts";
import type { Broker, Brokers } from "./brokers.ts";
import { type CourseDeps, deliveryTo, deliveryToApp } from "./course.ts";
import type { Deliver, Delivery } from "./delivery.ts";
import { type DeliveryPlan, readDeliveryPlan } from "./delivery-plan.ts";

/** Who asked for a subscription; the words of the metadata API. */
export type SubscriptionOrigin = "DECLARATIVE" | "PROGRAMMATIC" | "STREAMING";

/** One line of the metadata API. */
export interface SubscriptionStatus extends Subscription {
  readonly origin: SubscriptionOrigin;
  readonly state: AttachmentState;
  /** Why it is not attached. */
  readonly why?: string | undefined;
}

type OpenDelivery = (broker: Broker, plan: DeliveryPlan) => Delivery;

/** A subscription that stands as long as its receiver and its component do. */
class Standing {
  readonly subscription: Subscription;
  readonly #attach: (component: Component<"pubsub">) => Attachment;
  #component: Component<"pubsub"> | undefined;
  #attachment: Attachment | undefined;
  #paused: boolean;

  constructor(subscription: Subscription, paused: boolean, attach: (component: Component<"pubsub">) => Attachment) {
    this.subscription = subscription;
    this.#paused = paused;
    this.#attach = attach;
  }

  /** Attaches to the component unless it is attached there already; returns what is to be closed instead. */
  attach(component: Component<"pubsub">): Attachment | undefined {
    if (this.#component === component) return undefined;
    const before = this.detach();
    this.#component = component;
    if (!this.#paused) this.#start(component);
    return before;
  }

  #start(component: Component<"pubsub">): void {
    this.#attachment = this.#attach(component);
    this.#attachment.start();
  }

  /** Returns what is to be closed. */
  pause(): Attachment | undefined {
    const before = this.#attachment;
    this.#paused = true;
    this.#attachment = undefined;
    return before;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#component) this.#start(this.#component);
  }

  /** The receiving end, while messages may come. */
  get delivery(): Delivery | undefined {
    return this.#attachment?.delivery;
  }

  /** Returns what is to be closed. */
  detach(): Attachment | undefined {
    const before = this.#attachment;
    this.#component = undefined;
    this.#attachment = undefined;
    return before;
  }

  get state(): AttachmentState {
    return this.#paused ? "paused" : (this.#attachment?.state ?? "waiting");
  }

  get why(): string | undefined {
    return this.#attachment?.why;
  }
}

export interface SubscriptionsDeps {
  readonly components: Components;
  readonly brokers: Brokers;
  readonly app: App | undefined;
  /** Absent: the app is taken for healthy. */
  readonly health: AppHealth | undefined;
  /** Whether the app may be asked what it subscribes to. */
  readonly asksApp: boolean;
  readonly attachments: AttachmentDeps;
  readonly courses: CourseDeps;
}

/**
 * The subscriptions of the app (declared in files, or told by the app) and of the sidecar itself. Those of the app are
 * attached while the app is healthy; all of them follow their component when it opens late or is opened anew.
 */
export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #open = new Map<string, Component<"pubsub">>();
  readonly #ofApp = new Map<string, Standing & { readonly origin: SubscriptionOrigin }>();
  readonly #internal = new Set<Standing>();
  readonly #drained = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #unwatch: (() => void)[] = [];
  #declared: readonly Subscription[];
  #programmatic: readonly Subscription[] = [];
  /** Whether the app takes events now. */
  #active = false;
  /** Changes with each turn of the app's health, so that a late answer is not taken for a new one. */
  #turn = 0;
  #closed = false;

  constructor(declared: readonly Subscription[], deps: SubscriptionsDeps) {
    this.#declared = declared;
    this.#deps = deps;
  }

  /** Starts to follow components and app. */
  start(): void {
    const { components, app, health } = this.#deps;
    this.#warnUnknown(this.#declared);
    this.#refresh();
    this.#unwatch.push(components.onOpen("pubsub", (component) => this.#onOpen(component)));
    if (!app) {
      if (this.#declared.length > 0) this.#log.warn("no --app-port is given: declared subscriptions are not started");
      return;
    }
    if (health) this.#unwatch.push(health.watch((healthy) => void this.#onHealth(app, healthy)));
    else void this.#onHealth(app, true);
  }

  /** Replaces the declared subscriptions; those that stay as they were go on undisturbed. */
  declare(declared: readonly Subscription[]): void {
    this.#declared = declared;
    this.#warnUnknown(declared);
    this.#refresh();
  }

  /** A subscription of the sidecar itself: it does not depend on the app, and scopes do not bind it. */
  addInternal(subscription: Subscription, deliver: Deliver): { close(): Promise<void> } {
    const standing = this.#standing(
      subscription,
      (broker, plan) => deliveryTo(deliver, broker, subscription, plan, this.#deps.courses),
      true,
    );
    this.#internal.add(standing);
    this.#attachToOpen(standing);
    return {
      close: async () => {
        this.#internal.delete(standing);
        await standing.detach()?.close();
      },
    };
  }

  statuses(): SubscriptionStatus[] {
    return [...this.#ofApp.values()].map(({ subscription, origin, state, why }) => {
      return {
        ...subscription,
        origin,
        state,
        why: why ?? (state === "waiting" ? this.#whyWaiting(subscription) : undefined),
      };
    });
  }

  /** Takes no more messages; resolves when those in flight are settled. False: there is no such subscription. */
  async pause(pubsubName: string, topic: string): Promise<boolean> {
    const standing = this.#find(pubsubName, topic);
    await standing?.pause()?.close();
    return standing !== undefined;
  }

  /** False: there is no such subscription. */
  resume(pubsubName: string, topic: string): boolean {
    const standing = this.#find(pubsubName, topic);
    standing?.resume();
    return standing !== undefined;
  }

  /** The receiving end of a subscription; undefined: it is not attached now. */
  delivery(pubsubName: string, topic: string): Delivery | undefined {
    return this.#find(pubsubName, topic)?.delivery;
  }

  #find(pubsubName: string, topic: string): Standing | undefined {
    return [...this.#ofApp.values()].find(
      ({ subscription }) => subscription.pubsubName === pubsubName && subscription.topic === topic,
    );
  }

  #whyWaiting({ pubsubName }: Subscription): string {
    if (!this.#open.has(pubsubName)) return `pubsub ${pubsubName} is not open`;
    return this.#deps.app ? "the app is not ready" : "no --app-port is given";
  }

  /** Takes no more messages and settles when those in flight are settled. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort(fail("shuttingDown", {}));
    this.#active = false;
    this.#turn++;
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
    for (const standing of [...this.#ofApp.values(), ...this.#internal]) this.#detach(standing);
    await Promise.all(this.#drained);
  }

  get #log() {
    return this.#deps.courses.log;
  }

  #onOpen(component: Component<"pubsub">): void {
    this.#open.set(component.name, component);
    for (const standing of this.#internal) this.#attachToOpen(standing);
    if (this.#active) for (const standing of this.#ofApp.values()) this.#attachToOpen(standing);
  }

  async #onHealth(app: App, healthy: boolean): Promise<void> {
    const turn = ++this.#turn;
    if (!healthy) {
      this.#active = false;
      this.#refresh();
      return;
    }
    if (this.#active) return;
    const programmatic = await this.#askApp(app);
    // The app has gone, or come back, while it was asked.
    if (turn !== this.#turn || this.#closed) return;
    this.#programmatic = programmatic;
    this.#warnUnknown(programmatic);
    this.#active = true;
    this.#refresh();
  }

  async #askApp(app: App): Promise<readonly Subscription[]> {
    const { asksApp, courses } = this.#deps;
    if (!asksApp) return [];
    const policy = courses.policies.builtIn("DaprBuiltInInitializationRetries");
    // An answer that makes no sense makes none the next time either.
    const retriable = (error: unknown) => !(error instanceof MechaError && error.reason === "malformedRequest");
    try {
      return await policy.run(() => app.subscriptions(), { signal: this.#closing.signal, retriable });
    } catch (error) {
      this.#log.error("the app did not tell its subscriptions; only declared ones are started", {
        error: causeText(error),
      });
      return [];
    }
  }

  /** Makes what stands agree with what is wanted. */
  #refresh(): void {
    const { app, courses } = this.#deps;
    if (this.#closed) return;
    const wanted = effective(this.#declared, this.#programmatic);
    for (const [key, standing] of this.#ofApp) {
      if (wanted.has(key)) continue;
      this.#ofApp.delete(key);
      this.#detach(standing);
    }
    for (const [key, { subscription, origin }] of wanted) {
      if (this.#ofApp.has(key)) continue;
      // Without an app nothing is ever attached, so that nothing is ever delivered.
      const open: OpenDelivery = (broker, plan) => deliveryToApp(broker, subscription, plan, app as App, courses);
      this.#ofApp.set(key, Object.assign(this.#standing(subscription, open), { origin }));
    }
    for (const standing of this.#ofApp.values()) {
      if (this.#active) this.#attachToOpen(standing);
      else this.#detach(standing);
    }
  }

  #standing(subscription: Subscription, open: OpenDelivery, unscoped?: true): Standing {
    const { brokers, attachments } = this.#deps;
    return new Standing(subscription, startsPaused(subscription), (component) => {
      const broker = brokers.of(component);
      return new Attachment(
        broker,
        subscription,
        (plan) => open(broker, plan),
        unscoped ? { ...attachments, unscoped } : attachments,
      );
    });
  }

  #attachToOpen(standing: Standing): void {
    const component = this.#open.get(standing.subscription.pubsubName);
    if (component) this.#drain(standing.attach(component));
  }

  #detach(standing: Standing): void {
    this.#drain(standing.detach());
  }

  #drain(attachment: Attachment | undefined): void {
    if (!attachment) return;
    const closed = attachment.close().finally(() => this.#drained.delete(closed));
    this.#drained.add(closed);
  }

  #warnUnknown(subscriptions: readonly Subscription[]): void {
    const known = this.#deps.components.names("pubsub");
    for (const { pubsubName, topic } of subscriptions) {
      if (known.includes(pubsubName)) continue;
      const hint =
        didYouMean(pubsubName, known) ?? (known.length > 0 ? `configured: ${known.join(", ")}` : "none is configured");
      this.#log.warn(`subscription to topic ${topic} waits: pubsub ${pubsubName} is not found; ${hint}`);
    }
  }
}

/** What cannot be read is told when it is attached. */
function startsPaused(subscription: Subscription): boolean {
  try {
    return readDeliveryPlan(subscription).paused;
  } catch {
    return false;
  }
}

type Wanted = { readonly subscription: Subscription; readonly origin: SubscriptionOrigin };

/**
 * What stands per component and topic: an app's own word goes over files; of several files the first counts, of several
 * words of the app the last. By a key that changes with the content.
 */
function effective(declared: readonly Subscription[], programmatic: readonly Subscription[]): Map<string, Wanted> {
  const chosen = new Map<string, Wanted>();
  const placeOf = ({ pubsubName, topic }: Subscription) => JSON.stringify([pubsubName, topic]);
  for (const subscription of programmatic) chosen.set(placeOf(subscription), { subscription, origin: "PROGRAMMATIC" });
  for (const subscription of declared) {
    const place = placeOf(subscription);
    if (!chosen.has(place)) chosen.set(place, { subscription, origin: "DECLARATIVE" });
  }
  return new Map([...chosen.values()].map((wanted) => [contentOf(wanted), wanted]));
}

function contentOf({ subscription, origin }: Wanted): string {
  const { pubsubName, topic, routes, metadata, deadLetterTopic, bulkSubscribe } = subscription;
  return JSON.stringify([origin, pubsubName, topic, routes, metadata, deadLetterTopic, bulkSubscribe]);
}
