import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import type { OpenedByKind } from "../../../../../components/contract/any-driver.ts";
import type { Subscription as Closable } from "../../../../../components/contract/driver.ts";
import type {
  FailedMessage,
  IncomingMessage,
  MessageHandler,
  OutgoingMessage,
  Pubsub,
  SubscribeOptions,
} from "../../../../../components/contract/pubsub.ts";
import memoryState from "../../../../../components/memory/state.ts";
import { openPubsubBlock, type PubsubBlockDeps } from "../../../../../sidecar/blocks/pubsub/block.ts";
import type { EmbeddedStore } from "../../../../../sidecar/blocks/pubsub/delivery-store.ts";
import type { App, AppHealth, BulkTopicEvent, TopicEvent, Verdict } from "../../../../../sidecar/kernel/app.ts";
import type { Component, Components } from "../../../../../sidecar/kernel/components.ts";
import type { ComponentResource, Subscription } from "../../../../../sidecar/kernel/config-types.ts";
import type { AnyMethod, HttpInput, HttpOutput } from "../../../../../sidecar/kernel/method.ts";
import type { Policies, Policy } from "../../../../../sidecar/kernel/policy.ts";
import { Request } from "../../../../../sidecar/kernel/request.ts";
import { MechaError } from "../../../../../specs/errors.ts";
import { appPolicies } from "../../../../support/app-policies.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { KeptLog, openContext } from "../../../../support/open-driver.ts";

/** Lets promises have their turn. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A broker that keeps what was published, delivers to every subscription, and holds what is to be tried again. */
export class FakeBroker implements Pubsub {
  readonly published: OutgoingMessage[] = [];
  readonly subscribed: SubscribeOptions[] = [];
  readonly closed: SubscribeOptions[] = [];
  /** Messages that were settled with `retry`, as `<topic>/<id>`. */
  readonly returned: string[] = [];
  readonly acknowledged: string[] = [];
  publishMany?: (messages: readonly OutgoingMessage[]) => Promise<readonly FailedMessage[]>;
  refusePublish: ((message: OutgoingMessage) => unknown) | undefined;
  refuseSubscribe: ((options: SubscribeOptions) => unknown) | undefined;
  readonly #handlers = new Map<MessageHandler, { options: SubscribeOptions; inFlight: Set<Promise<unknown>> }>();
  #ids = 0;

  async publish(message: OutgoingMessage): Promise<void> {
    const refusal = this.refusePublish?.(message);
    if (refusal !== undefined) throw refusal;
    this.published.push(message);
    const { topic, data, contentType, metadata } = message;
    this.deliver({ topic, data, contentType, metadata });
  }

  async subscribe(options: SubscribeOptions, handler: MessageHandler): Promise<Closable> {
    const refusal = this.refuseSubscribe?.(options);
    if (refusal !== undefined) throw refusal;
    this.subscribed.push(options);
    const entry = { options, inFlight: new Set<Promise<unknown>>() };
    this.#handlers.set(handler, entry);
    return {
      close: async () => {
        if (!this.#handlers.delete(handler)) return;
        await Promise.all(entry.inFlight);
        this.closed.push(options);
      },
    };
  }

  /** Hands a message to whoever subscribes to its topic. */
  deliver(message: Partial<IncomingMessage> & { readonly topic: string }): void {
    const whole: IncomingMessage = {
      id: `m${++this.#ids}`,
      data: new Uint8Array(0),
      metadata: {},
      attempt: 1,
      ...message,
    };
    for (const [handler, { options, inFlight }] of this.#handlers) {
      if (options.topic !== whole.topic) continue;
      const settling = handler(whole).then((settle) => {
        (settle === "ack" ? this.acknowledged : this.returned).push(`${whole.topic}/${whole.id}`);
        inFlight.delete(settling);
      });
      inFlight.add(settling);
    }
  }

  async close(): Promise<void> {}

  /** Text of the messages published to a topic. */
  texts(topic: string): string[] {
    return this.published.filter((m) => m.topic === topic).map((m) => Buffer.from(m.data).toString());
  }

  events(topic: string): Record<string, unknown>[] {
    return this.texts(topic).map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

export interface FakeComponent {
  readonly broker: FakeBroker;
  readonly capabilities?: readonly string[];
  readonly runtime?: Readonly<Record<string, unknown>>;
}

/** Components that open when a test says so. */
export class FakeComponents {
  readonly #declared: Map<string, FakeComponent>;
  readonly #open = new Map<string, Component<"pubsub">>();
  readonly #listeners = new Set<(component: Component<"pubsub">) => void>();

  constructor(declared: Readonly<Record<string, FakeComponent>>, open = true) {
    this.#declared = new Map(Object.entries(declared));
    if (open) for (const name of this.#declared.keys()) this.open(name);
  }

  /** Opens a component, or opens it anew. */
  open(name: string, instead?: FakeComponent): void {
    const { broker, capabilities = [], runtime = {} } = instead ?? (this.#declared.get(name) as FakeComponent);
    const component = {
      name,
      type: "pubsub.fake",
      version: "v1",
      kind: "pubsub",
      driver: { capabilities },
      opened: broker,
      runtime,
    };
    this.#open.set(name, component as unknown as Component<"pubsub">);
    for (const listener of this.#listeners) listener(component as unknown as Component<"pubsub">);
  }

  /** As the kernel declares them; only pubsub components exist here. */
  get components(): Components {
    return {
      find: (_kind: string, name: string) => {
        const open = this.#open.get(name);
        if (!open && this.#declared.has(name)) {
          throw new MechaError("componentNotReady", { name, state: "pending", why: "it is opening" });
        }
        return open;
      },
      all: () => [...this.#open.values()],
      names: () => [...this.#declared.keys()],
      statuses: () => [],
      onOpen: (_kind: string, listener: (component: Component<"pubsub">) => void) => {
        this.#listeners.add(listener);
        for (const component of this.#open.values()) listener(component);
        return () => this.#listeners.delete(listener);
      },
    } as unknown as Components;
  }
}

/** An app that answers what a test says and keeps what it got. */
export class FakeApp {
  readonly delivered: TopicEvent[] = [];
  readonly batches: BulkTopicEvent[] = [];
  speaksGrpc = false;
  asked = 0;
  subscribesTo: () => Promise<readonly Subscription[]> = async () => [];
  answer: (event: TopicEvent) => Promise<Verdict> = async () => "success";
  answerMany: (events: BulkTopicEvent) => Promise<ReadonlyMap<string, Verdict>> = async ({ entries }) =>
    new Map(entries.map(({ entryId }) => [entryId, "success"]));

  subscriptions(): Promise<readonly Subscription[]> {
    this.asked++;
    return this.subscribesTo();
  }

  deliver(event: TopicEvent): Promise<Verdict> {
    this.delivered.push(event);
    return this.answer(event);
  }

  deliverMany(events: BulkTopicEvent): Promise<ReadonlyMap<string, Verdict>> {
    this.batches.push(events);
    return this.answerMany(events);
  }

  /** Paths of the delivered events. */
  get paths(): string[] {
    return this.delivered.map(({ path }) => path);
  }

  get ids(): string[] {
    return this.delivered.map(({ id }) => id);
  }
}

export class FakeHealth implements AppHealth {
  readonly #listeners = new Set<(healthy: boolean) => void>();
  healthy: boolean;

  constructor(healthy = true) {
    this.healthy = healthy;
  }

  watch(listener: (healthy: boolean) => void): () => void {
    this.#listeners.add(listener);
    listener(this.healthy);
    return () => this.#listeners.delete(listener);
  }

  async set(healthy: boolean): Promise<void> {
    this.healthy = healthy;
    for (const listener of this.#listeners) listener(healthy);
    await settled();
  }
}

/** Tries again after `pauseMs`, at most `maxRetries` times; its pauses end when the signal aborts. */
export function retryPolicy(clock: FakeClock, maxRetries: number, pauseMs = 1000): Policy {
  return {
    retries: true,
    async run(attempt, call = {}) {
      for (let count = 1; ; count++) {
        try {
          return await attempt(call.signal, count);
        } catch (error) {
          if (count > maxRetries || call.retriable?.(error) === false) throw error;
          await new Promise<void>((resolve, reject) => {
            if (call.signal?.aborted) return reject(call.signal.reason);
            clock.after(pauseMs, resolve);
            call.signal?.addEventListener("abort", () => reject(call.signal?.reason), { once: true });
          });
        }
      }
    },
  };
}

export interface Given {
  readonly declared?: Readonly<Record<string, FakeComponent>>;
  readonly closedAtFirst?: true;
  readonly subscriptions?: readonly Partial<Subscription>[];
  readonly app?: FakeApp | null;
  readonly health?: FakeHealth;
  readonly policy?: (clock: FakeClock) => Policy;
  readonly resources?: readonly Partial<ComponentResource>[];
  readonly namespace?: string;
  readonly disableInitEndpoints?: readonly "subscribe"[];
  readonly ingress?: PubsubBlockDeps["ingress"];
  /** The store of an earlier run. */
  readonly own?: OwnFake;
}

/** The block with fakes all around; one component `ps` unless told otherwise. */
export function openFakes(given: Given = {}) {
  const clock = new FakeClock();
  const log = new KeptLog();
  const broker = new FakeBroker();
  const app = given.app === undefined ? new FakeApp() : given.app;
  const components = new FakeComponents(given.declared ?? { ps: { broker } }, !given.closedAtFirst);
  const policy = given.policy?.(clock);
  const real = appPolicies(clock);
  const policies = {
    component: (_: string, __: string, direction: string) => (direction === "inbound" ? policy : undefined),
    builtIn: (name: string) => real.builtIn(name),
    componentWith: (...target: Parameters<Policies["componentWith"]>) => real.componentWith(...target),
  };
  const own = given.own ?? new OwnFake(clock);
  const block = openPubsubBlock({
    embedded: own,
    components: components.components,
    policies: policies as unknown as Policies,
    app: (app ?? undefined) as unknown as App | undefined,
    health: given.health,
    config: {
      appId: "app1",
      namespace: given.namespace ?? "default",
      components: (given.resources ?? []) as readonly ComponentResource[],
      subscriptions: (given.subscriptions ?? []).map(subscription) as never,
      disableInitEndpoints: given.disableInitEndpoints ?? [],
    },
    log,
    clock,
    ingress: given.ingress,
  });
  return { block, clock, log, broker, app: app as FakeApp, components, own };
}

/** The sidecar's own store, in memory. */
export class OwnFake implements EmbeddedStore {
  readonly #clock: FakeClock;
  #opened: Promise<OpenedByKind["state"]> | undefined;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get exists(): boolean {
    return this.#opened !== undefined;
  }

  open() {
    this.#opened ??= memoryState.open({} as never, openContext({ clock: this.#clock }));
    return this.#opened;
  }

  async keys(): Promise<readonly string[]> {
    return (await (await this.open()).list({ prefix: "", limit: 1000 }, {})).keys;
  }
}

/** A subscription of topic `t` at `ps`, delivered to `/path`. */
export function subscription(parts: Partial<Subscription> = {}): Subscription {
  return { pubsubName: "ps", topic: "t", routes: [{ match: "", path: "/path" }], metadata: {}, ...parts };
}

export interface Call {
  readonly params?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Calls a method as the HTTP wire does; rejects with what is not answered by the method itself. */
export async function overHttp(method: AnyMethod, call: Call): Promise<HttpOutput> {
  const [shape] = method.http;
  if (!shape?.input) throw new Error("the method has no HTTP codec");
  const http = {
    params: call.params ?? {},
    headers: call.headers ?? {},
    metadata: { ...call.metadata },
    body: typeof call.body === "string" ? Buffer.from(call.body) : (call.body ?? new Uint8Array(0)),
  } as unknown as HttpInput;
  try {
    await overGrpc(method, shape.input(http) as object, call.headers);
    return { status: shape.status ?? 200 };
  } catch (error) {
    const answer = shape.failure?.(error, http);
    if (answer) return answer;
    throw error;
  }
}

/** Calls a unary method as the gRPC wire does. */
export async function overGrpc(
  method: AnyMethod,
  init: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const message = create(method.rpcs[0].input, init as MessageInitShape<DescMessage>);
  return method.run(message as never, new Request("grpc", headers, () => {}));
}

/** What an expectation of a MechaError looks at. */
export async function failureOf(promise: Promise<unknown>) {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof MechaError)) throw error;
    const { reason, httpStatus, grpcCode, message } = error;
    return {
      reason,
      httpStatus,
      grpcCode,
      errorCode: error.row.tag,
      info: error.row.info,
      resource: error.row.resource,
      message,
    };
  }
  throw new Error("it did not fail");
}
