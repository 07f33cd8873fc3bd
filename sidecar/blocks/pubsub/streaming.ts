import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { causeText, fail } from "../../../specs/errors.ts";
import { TopicEventResponse_TopicEventResponseStatus as Status } from "../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type {
  SubscribeTopicEventsRequestAlpha1Schema,
  SubscribeTopicEventsResponseAlpha1Schema,
} from "../../../specs/gen/dapr/proto/runtime/v1/pubsub_pb.js";
import type { TopicEvent, Verdict } from "../../kernel/app.ts";
import type { Subscription } from "../../kernel/config-types.ts";
import { type AnyMethod, method } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";
import { topicEventRequest } from "../../kernel/topic-event.ts";
import { Attachment, type AttachmentDeps } from "./attachment.ts";
import type { Broker, Brokers } from "./brokers.ts";
import { type CourseDeps, deliveryTo } from "./course.ts";
import { Held } from "./settling.ts";
import type { SubscriptionStatus } from "./subscriptions.ts";

type Incoming = MessageShape<typeof SubscribeTopicEventsRequestAlpha1Schema>;
type Outgoing = MessageInitShape<typeof SubscribeTopicEventsResponseAlpha1Schema>;

/** Path of events on a stream, which has no paths. */
const streamPath = "/";

export interface StreamsDeps {
  readonly brokers: Brokers;
  readonly attachments: AttachmentDeps;
  readonly courses: CourseDeps;
}

/** Subscriptions that live as long as a gRPC stream; each has a broker subscription of its own. */
export class Streams {
  readonly #deps: StreamsDeps;
  readonly #open = new Set<Stream>();
  #closed = false;

  constructor(deps: StreamsDeps) {
    this.#deps = deps;
  }

  /** SubscribeTopicEventsAlpha1. */
  method(): AnyMethod {
    return method(Dapr.method.subscribeTopicEventsAlpha1, "subscribe", undefined, (input, request) =>
      this.#subscribe(input, request),
    );
  }

  async #subscribe(input: AsyncIterable<Incoming>, request: Request): Promise<AsyncIterable<Outgoing>> {
    if (this.#closed) throw fail("shuttingDown", {});
    const messages = input[Symbol.asyncIterator]();
    const subscription = readInitial((await messages.next()).value as Incoming | undefined);
    const { brokers, attachments, courses } = this.#deps;
    const broker = brokers.require(subscription.pubsubName);
    if (subscription.topic === "") throw fail("topicEmpty", { name: broker.name });
    const stream = new Stream(subscription, broker, (at, deliver) => {
      return new Attachment(
        at,
        subscription,
        (plan) => deliveryTo(deliver, at, subscription, plan, courses),
        attachments,
      );
    });
    this.#open.add(stream);
    const leave = () => stream.end();
    if (request.signal.aborted) leave();
    request.signal.addEventListener("abort", leave, { once: true });
    void stream.ended.then(() => {
      this.#open.delete(stream);
      request.signal.removeEventListener("abort", leave);
    });
    try {
      await stream.attach();
    } catch (error) {
      stream.end();
      throw error;
    }
    void stream.read(messages);
    return stream.responses();
  }

  /** A component that was opened anew gets the streams of the one before. */
  follow(broker: Broker): void {
    for (const stream of this.#open) {
      if (stream.subscription.pubsubName === broker.name) stream.moveTo(broker);
    }
  }

  statuses(): SubscriptionStatus[] {
    return [...this.#open].map(({ subscription, attachment: { state, why } }) => {
      return { ...subscription, origin: "STREAMING", state, why };
    });
  }

  /** Ends every stream once the replies it owes have come, after 30 s without them. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open].map((stream) => stream.finish()));
  }
}

/** The subscription that the first message asks for. Throws `streamProtocol`. */
function readInitial(first: Incoming | undefined): Subscription {
  const request = first?.subscribeTopicEventsRequestType;
  if (request?.case !== "initialRequest") {
    throw fail("streamProtocol", {
      why: "the first message of the stream must be initial_request with pubsub_name and topic",
    });
  }
  const { pubsubName, topic, metadata, deadLetterTopic } = request.value;
  return {
    pubsubName,
    topic,
    metadata,
    routes: [{ match: "", path: streamPath }],
    ...(deadLetterTopic ? { deadLetterTopic } : {}),
  };
}

type AttachmentFor = (broker: Broker, deliver: (event: TopicEvent) => Promise<Verdict>) => Attachment;

class Stream {
  readonly subscription: Subscription;
  readonly #attachmentFor: AttachmentFor;
  #broker: Broker;
  /** Attachments to components that are there no more, until what they owe is settled. */
  #left: Promise<unknown> | undefined;
  attachment: Attachment;
  /** Resolves when the stream is over. */
  readonly ended: Promise<void>;
  #over = false;
  #error: unknown;
  #resolveEnded = () => {};
  readonly #outgoing: Outgoing[] = [{ subscribeTopicEventsResponseType: { case: "initialResponse", value: {} } }];
  #wake = () => {};
  /** Events that wait for their reply; two of one id are told apart by their order. */
  readonly #owed = new Map<string, Reply[]>();

  constructor(subscription: Subscription, broker: Broker, attachmentFor: AttachmentFor) {
    this.subscription = subscription;
    this.#broker = broker;
    this.#attachmentFor = attachmentFor;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.attachment = this.#attachTo(broker);
  }

  #attachTo(broker: Broker): Attachment {
    return this.#attachmentFor(broker, (event) => this.#deliver(event));
  }

  #detach(): Promise<unknown> {
    const closed = this.attachment.close();
    return this.#left === undefined ? closed : Promise.all([this.#left, closed]);
  }

  /** Goes on at another component of the same name. */
  moveTo(broker: Broker): void {
    if (this.#over || broker === this.#broker) return;
    this.#broker = broker;
    this.#left = this.#detach();
    this.attachment = this.#attachTo(broker);
    this.attachment.start();
  }

  attach(): Promise<void> {
    return this.attachment.attach();
  }

  /** Takes the client's messages until it leaves or breaks the protocol. */
  async read(messages: AsyncIterator<Incoming>): Promise<void> {
    try {
      for (let next = await messages.next(); !next.done && !this.#over; next = await messages.next())
        this.#take(next.value);
      this.end();
    } catch (error) {
      this.end(error);
    }
  }

  #take(message: Incoming): void {
    const { case: kind, value } = message.subscribeTopicEventsRequestType;
    if (kind === "initialRequest") {
      throw fail("streamProtocol", {
        why: "initial_request was sent twice; open another stream for another subscription",
      });
    }
    if (kind !== "eventProcessed")
      throw fail("streamProtocol", { why: "only event_processed may follow initial_request" });
    const replies = this.#owed.get(value.id);
    // A reply that comes twice, or after its event was taken back, changes nothing.
    replies?.[0]?.resolve(verdictOf(value.status?.status));
  }

  #deliver(event: TopicEvent): Promise<Verdict> {
    if (this.#over) return Promise.reject(new Held("the stream is over"));
    const { id, signal } = event;
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        signal?.removeEventListener("abort", abort);
        const rest = this.#owed.get(id)?.filter((other) => other !== reply) ?? [];
        if (rest.length > 0) this.#owed.set(id, rest);
        else this.#owed.delete(id);
        then();
      };
      const reply: Reply = {
        resolve: (verdict) => settle(() => resolve(verdict)),
        reject: (error) => settle(() => reject(error)),
      };
      const abort = () => reply.reject(signal?.reason);
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", abort, { once: true });
      this.#owed.set(id, [...(this.#owed.get(id) ?? []), reply]);
      this.#send({ subscribeTopicEventsResponseType: { case: "eventMessage", value: topicEventRequest(event) } });
    });
  }

  #send(message: Outgoing): void {
    this.#outgoing.push(message);
    this.#wake();
  }

  /** What the client gets, until the stream is over. */
  async *responses(): AsyncGenerator<Outgoing, void> {
    try {
      while (true) {
        for (const message of this.#outgoing.splice(0)) yield message;
        if (this.#outgoing.length > 0) continue;
        if (this.#over) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#error !== undefined) throw this.#error;
    } finally {
      this.end();
    }
  }

  /** Ends at once; what was not replied to stays with the broker. Idempotent. */
  end(error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    const held = new Held(error === undefined ? "the stream is over" : `the stream has failed: ${causeText(error)}`);
    for (const replies of [...this.#owed.values()]) for (const reply of replies) reply.reject(held);
    this.#wake();
    void this.#detach().then(() => this.#resolveEnded());
  }

  /** Waits for the replies that are owed, then ends. */
  async finish(): Promise<void> {
    await this.#detach();
    this.end();
    await this.ended;
  }
}

interface Reply {
  resolve(verdict: Verdict): void;
  reject(error: unknown): void;
}

function verdictOf(status: Status | undefined): Verdict {
  if (status === undefined || status === Status.SUCCESS) return "success";
  return status === Status.DROP ? "drop" : "retry";
}
