import type { Call, OpenContext } from "../contract/driver.ts";
import type { Member } from "../contract/hand-over.ts";
import type { Order } from "../contract/pubsub.ts";
import type { Purpose } from "./connect.ts";
import type { Arrival, Connection } from "./connection.ts";
import { Delivery, type Entry, Feed } from "./feed.ts";
import type { Link } from "./link.ts";
import { type Filter, fits } from "./topics.ts";

export interface SessionSettings {
  readonly clientId: string;
  readonly isClean: boolean;
  readonly isFive: boolean;
  readonly qos: 0 | 1 | 2;
  /** Pause before a message is handed over again. */
  readonly pauseMs: number;
}

/** How long messages wait for a subscription that an earlier run of this client had. */
const strayMs = 300_000;

/**
 * One client of the broker, which keeps what the client has subscribed and not settled while it is away. The client is
 * there as long as somebody listens.
 */
export class Session {
  readonly #settings: SessionSettings;
  readonly #context: OpenContext;
  readonly #makeLink: (purpose: Purpose) => Link;
  readonly #feeds = new Map<string, Feed>();
  readonly #open = new Set<Delivery>();
  /** Messages of topics that nobody here has subscribed yet. */
  #strays: { readonly message: Arrival; readonly connection: Connection }[] = [];
  #link: Link | undefined;
  #cancelStrays = () => {};
  #identifiers = 0;
  /** One thing after another: who comes while the last one leaves must find the client away, or there. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: SessionSettings, makeLink: (purpose: Purpose) => Link, context: OpenContext) {
    this.#settings = settings;
    this.#makeLink = makeLink;
    this.#context = context;
  }

  /**
   * Lets a member have the messages of a filter. Rejects with the error of the broker.
   * @returns ends that; settles when what is being handled is settled
   */
  join(filter: Filter, order: Order, member: Member<Entry>, call: Call): Promise<() => Promise<void>> {
    return this.#inTurn(async () => {
      const feed = this.#feedOf(filter);
      try {
        await this.#subscribe(feed, call);
        const leave = feed.join(member, order);
        this.#deliverStrays();
        return async () => {
          await leave();
          await this.#inTurn(() => this.#leaveIfAlone());
        };
      } catch (error) {
        await this.#leaveIfAlone();
        throw error;
      }
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }

  #feedOf(filter: Filter): Feed {
    let feed = this.#feeds.get(filter.text);
    if (!feed) {
      this.#identifiers += 1;
      feed = new Feed(filter, this.#identifiers, { pauseMs: this.#settings.pauseMs, clock: this.#context.clock });
      this.#feeds.set(filter.text, feed);
    }
    return feed;
  }

  async #subscribe(feed: Feed, call: Call): Promise<void> {
    if (!this.#link) await this.#connect(call);
    const connection = await this.#link?.connected(call);
    if (connection && !feed.isSubscribed) await this.#ask(feed, connection);
  }

  async #connect({ signal }: Call): Promise<void> {
    const { clientId, isClean } = this.#settings;
    const link = this.#makeLink({
      clientId,
      isClean,
      arrived: (connection, message) => this.#arrived(connection, message),
      connected: (connection) => this.#connected(connection),
      lost: (connection) => this.#lost(connection),
    });
    await link.open(signal ?? new AbortController().signal);
    this.#link = link;
  }

  async #ask(feed: Feed, connection: Connection): Promise<void> {
    const { isFive, qos } = this.#settings;
    const canName = isFive && connection.properties.subscriptionIdentifiersAvailable !== false;
    await connection.subscribe(feed.filter.text, qos, canName ? feed.identifier : undefined);
    feed.isSubscribed = true;
  }

  /** Subscribes anew even where the broker says that it knows: one that crashed may have forgotten a part. */
  async #connected(connection: Connection): Promise<void> {
    for (const feed of this.#feeds.values()) {
      feed.isSubscribed = false;
      if (!connection.isResumed) feed.forget();
    }
    for (const feed of this.#feeds.values()) if (feed.members > 0) await this.#ask(feed, connection);
  }

  /** Settles when what is subscribed is subscribed, or cannot be for now. */
  async ready(): Promise<void> {
    await this.#link?.connected({}).catch(() => {});
  }

  // ---- messages

  #arrived(connection: Connection, message: Arrival): void {
    const feeds = this.#feedsOf(message);
    if (feeds.length > 0) this.#deliver(message, connection, feeds);
    else this.#keepStray(message, connection);
  }

  #feedsOf({ topic, properties }: Arrival): readonly Feed[] {
    const all = [...this.#feeds.values()];
    const given = properties?.subscriptionIdentifier;
    const identifiers = new Set(Array.isArray(given) ? given : given === undefined ? [] : [given]);
    const named = all.filter(({ identifier, filter }) => identifiers.has(identifier) && fits(filter.pattern, topic));
    return named.length > 0 ? named : all.filter(({ filter }) => fits(filter.pattern, topic));
  }

  #deliver(message: Arrival, connection: Connection, feeds: readonly Feed[]): void {
    const settled = (one: Delivery) => this.#open.delete(one);
    const delivery = new Delivery(message, connection, this.#context.clock.now(), feeds, settled);
    this.#open.add(delivery);
    for (const feed of feeds) feed.add(delivery);
  }

  #keepStray(message: Arrival, connection: Connection): void {
    this.#strays.push({ message, connection });
    if (this.#strays.length > 1) return;
    this.#cancelStrays = this.#context.clock.after(strayMs, () => this.#dropStrays());
  }

  #deliverStrays(): void {
    const strays = this.#strays;
    this.#strays = [];
    this.#cancelStrays();
    for (const { message, connection } of strays) this.#arrived(connection, message);
  }

  /** They would be in the way of others for good: a broker sends only so many ahead. */
  #dropStrays(): void {
    const { log } = this.#context;
    const topics = [...new Set(this.#strays.map(({ message }) => message.topic))].join(", ");
    log.error(
      `messages of ${topics} are dropped: client ${this.#settings.clientId} once subscribed them, and nobody here has for ${strayMs / 60_000} minutes`,
    );
    for (const { message, connection } of this.#strays) connection.acknowledge(message);
    this.#strays = [];
  }

  #lost(connection: Connection): void {
    this.#strays = this.#strays.filter((stray) => stray.connection !== connection);
    for (const feed of this.#feeds.values()) feed.lose(connection);
    for (const delivery of this.#open) {
      if (delivery.connection !== connection || !delivery.isKept) continue;
      delivery.lose();
      this.#open.delete(delivery);
    }
  }

  // ---- the end

  async #leaveIfAlone(): Promise<void> {
    if ([...this.#feeds.values()].some(({ members }) => members > 0)) return;
    this.#cancelStrays();
    const link = this.#link;
    this.#link = undefined;
    await link?.close();
  }
}
