import { type DaprServer, HttpMethod, DaprPubSubStatusEnum as Status } from "@dapr/dapr";
import { Inbox } from "./steps.ts";

const pollMs = 50;

/** The app beside the sidecar: keeps what it is sent. */
export class App {
  readonly #server: DaprServer;
  readonly #inboxes = new Map<string, Inbox>();

  constructor(server: DaprServer) {
    this.#server = server;
  }

  /** What arrived under a name such as `pubsub/orders`. */
  inbox(name: string): Inbox {
    const inbox = this.#inboxes.get(name) ?? new Inbox();
    this.#inboxes.set(name, inbox);
    return inbox;
  }

  async listen(): Promise<void> {
    for (const pubsub of ["pubsub", "memorypubsub"]) await this.#subscribe(pubsub);
    await this.#server.binding.receive("tick", async () => this.inbox("tick").put("tick"));
    const { invoker } = this.#server;
    await invoker.listen("hello", async () => ({ hello: "world" }), { method: HttpMethod.GET });
    await invoker.listen("echo", async ({ body }) => ({ got: JSON.parse(body ?? "null") }), {
      method: HttpMethod.POST,
    });
  }

  async #subscribe(pubsub: string): Promise<void> {
    const { pubsub: subscriptions } = this.#server;
    const keep = (name: string) => async (data: unknown) => this.inbox(`${pubsub}/${name}`).put(data);
    await subscriptions.subscribe(pubsub, "orders", keep("orders"));
    await subscriptions.subscribe(pubsub, "raw", keep("raw"), undefined, { rawPayload: true });
    let attempts = 0;
    await subscriptions.subscribe(pubsub, "again", async (data: unknown) => {
      attempts += 1;
      if (attempts === 1) return Status.RETRY;
      this.inbox(`${pubsub}/again`).put({ data, attempts });
      return Status.SUCCESS;
    });
    await subscriptions.subscribeWithOptions(pubsub, "dropped", {
      deadLetterTopic: "dead",
      callback: async () => Status.DROP,
    });
    await subscriptions.subscribe(pubsub, "dead", keep("dead"));
    const route = { default: "other", rules: [{ match: 'event.type == "com.example.big"', path: "big" }] };
    await subscriptions.subscribeWithOptions(pubsub, "routed", { route });
    subscriptions.subscribeToRoute(pubsub, "routed", "big", keep("routed/big"));
    subscriptions.subscribeToRoute(pubsub, "routed", "other", keep("routed/other"));
    await subscriptions.subscribeBulk(pubsub, "bulk", keep("bulk"), { maxMessagesCount: 10, maxAwaitDurationMs: 50 });
  }

  /** Resolves when the sidecar has found the app. */
  async untilReady(httpPort: string): Promise<void> {
    while ((await fetch(`http://127.0.0.1:${httpPort}/v1.0/healthz`)).status !== 204)
      await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
