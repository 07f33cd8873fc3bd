import type { HeldMessage } from "../aws/queue-reader.ts";
import { QueueReader } from "../aws/queue-reader.ts";
import type { Queues } from "../aws/queues.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import type { MessageHandler } from "../contract/pubsub.ts";
import type { Queue } from "./group-queue.ts";
import { fromQueued } from "./message.ts";
import { Route } from "./route.ts";
import type { BrokerSettings } from "./settings.ts";

/** One reader of the queue, with at most one subscription for each topic. */
interface Member {
  readonly routes: Map<string, Route>;
  readonly reader: QueueReader;
}

export interface Subscribing {
  readonly topic: string;
  readonly topicArn: string;
  readonly concurrency: number;
  readonly handler: MessageHandler;
}

/** A message that nobody here is for, and when it comes again by itself. */
interface Parked {
  readonly message: HeldMessage;
  readonly until: number;
}

/** Messages of topics that nobody here subscribes to are put off for so long at most. */
const longestParkingSeconds = 900;
/** So many of them can be called back when somebody does. */
const mostParked = 1000;
/** From this attempt on it is worth a word. */
const strangeAttempt = 3;

/**
 * The subscriptions of one component to the queue of one consumer group, which gets the messages of all its topics. Two
 * subscriptions to one topic are two members, each with a reader of its own, as those of two sidecars are.
 */
export class Group {
  readonly #queue: Queue;
  readonly #queues: Queues;
  readonly #settings: BrokerSettings;
  readonly #context: OpenContext;
  readonly #restore: () => Promise<void>;
  readonly #members = new Set<Member>();
  readonly #topics = new Map<string, string>();
  readonly #parked = new Map<string, Parked[]>();

  /** @param restore makes the queue and what delivers to it again */
  constructor(
    queue: Queue,
    queues: Queues,
    settings: BrokerSettings,
    context: OpenContext,
    restore: () => Promise<void>,
  ) {
    this.#queue = queue;
    this.#queues = queues;
    this.#settings = settings;
    this.#context = context;
    this.#restore = restore;
  }

  get queue(): Queue {
    return this.#queue;
  }

  /** Topics that somebody here subscribes to. */
  get topics(): readonly string[] {
    return [...new Set([...this.#members].flatMap(({ routes }) => [...routes.keys()]))];
  }

  subscribe({ topic, topicArn, concurrency, handler }: Subscribing): Subscription {
    this.#topics.set(topicArn, topic);
    const route = new Route({ topic, concurrency, handler }, this.#queue.name, this.#settings, this.#context, () =>
      member.reader.wake(),
    );
    const free = [...this.#members].find(({ routes }) => !routes.has(topic));
    const member = free ?? this.#newMember();
    member.routes.set(topic, route);
    member.reader.wake();
    this.#callBack(topicArn);
    let closed: Promise<void> | undefined;
    return {
      close: () => {
        closed ??= this.#leave(member, route);
        return closed;
      },
    };
  }

  #newMember(): Member {
    const { messageVisibilityTimeout, messageWaitTimeSeconds, messageMaxNumber } = this.#settings;
    const routes = new Map<string, Route>();
    const reading = {
      url: this.#queue.url,
      name: this.#queue.name,
      most: messageMaxNumber,
      waitSeconds: messageWaitTimeSeconds,
      visibilitySeconds: messageVisibilityTimeout,
      room: () => Math.max(0, ...[...routes.values()].map((route) => route.room)),
      take: (messages: readonly HeldMessage[]) => {
        for (const message of messages) this.#take(member, message);
      },
      restore: this.#restore,
    };
    const member: Member = { routes, reader: new QueueReader(this.#queues, reading, this.#context) };
    this.#members.add(member);
    return member;
  }

  #take(member: Member, message: HeldMessage): void {
    const delivered = fromQueued(message);
    const topic = this.#topicOf(member, delivered.topicArn);
    const route = topic === undefined ? undefined : this.#routeOf(member, topic);
    if (route) route.offer(message, delivered);
    else this.#park(message, delivered.topicArn);
  }

  /** A bare message says no topic; it must be that of the only subscription. */
  #topicOf({ routes }: Member, arn: string | undefined): string | undefined {
    if (arn !== undefined) return this.#topics.get(arn);
    return this.topics.length === 1 ? [...routes.keys()][0] : undefined;
  }

  #routeOf(member: Member, topic: string): Route | undefined {
    const others = [...this.#members].map(({ routes }) => routes.get(topic));
    return [member.routes.get(topic), ...others].find((route) => route?.isOpen);
  }

  /** Another sidecar may subscribe to it, or this one in a moment. */
  #park(message: HeldMessage, arn: string | undefined): void {
    const { messageVisibilityTimeout: first } = this.#settings;
    const seconds = Math.max(first, Math.min(first * 2 ** (message.attempt - 1), longestParkingSeconds));
    void message.again(seconds);
    const topic = arn ?? "none, it came without SNS's envelope";
    const now = this.#context.clock.now();
    const parked = (this.#parked.get(topic) ?? []).filter(({ until }) => until > now).slice(0, mostParked);
    this.#parked.set(topic, [...parked, { message, until: now + seconds * 1000 }]);
    if (message.attempt !== strangeAttempt) return;
    this.#context.log.warn(
      "a queue gets messages of a topic that no subscription here is for; end the queue's subscription in SNS, or subscribe",
      { component: this.#context.name, queue: this.#queue.name, topic },
    );
  }

  /** Somebody else may have those whose time is over. */
  #callBack(arn: string): void {
    const now = this.#context.clock.now();
    for (const { message, until } of this.#parked.get(arn) ?? []) if (until > now) void message.again(0);
    this.#parked.delete(arn);
  }

  async #leave(member: Member, route: Route): Promise<void> {
    const isLast = [...member.routes.values()].every((one) => one === route || !one.isOpen);
    if (isLast) this.#members.delete(member);
    await Promise.all([route.close(), ...(isLast ? [member.reader.close()] : [])]);
    if (member.routes.get(route.topic) === route) member.routes.delete(route.topic);
    if (member.routes.size === 0) member.reader.end();
  }

  async close(): Promise<void> {
    const members = [...this.#members];
    await Promise.all(
      members.flatMap((member) => [...member.routes.values()].map((route) => this.#leave(member, route))),
    );
  }
}
