import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { SubscribeTopicEventsRequestAlpha1 } from "../../../specs/gen/dapr/proto/runtime/v1/pubsub_pb.js";
import { type GrpcCall, noHttp, startFakeSidecar, transports } from "./fake-sidecar.ts";

/** What a subscribing client says after its first message: id and status of each event. */
async function* verdictsOf({ requests }: GrpcCall): AsyncGenerator<[string, number]> {
  for (let next = await requests.next(); !next.done; next = await requests.next()) {
    const { case: kind, value } = (next.value as SubscribeTopicEventsRequestAlpha1).subscribeTopicEventsRequestType;
    if (kind === "eventProcessed") yield [value.id, value.status?.status ?? -1];
  }
}

const confirmed = { subscribeTopicEventsResponseType: { case: "initialResponse", value: {} } };
const eventMessage = (id: string, data: string, dataContentType = "application/json") => ({
  subscribeTopicEventsResponseType: {
    case: "eventMessage",
    value: {
      ...{ id, source: "shop", type: "t", specVersion: "1.0", dataContentType, topic: "orders", pubsubName: "bus" },
      data: Buffer.from(data),
      extensions: { time: "2026-01-01T00:00:00Z", traceparent: "00-1", topic: "orders" },
    },
  },
});

describe.each(transports)("a client over %s", (transport) => {
  test("subscribes by a stream and gives each event its verdict", async () => {
    const verdicts: [string, number][] = [];
    const done = Promise.withResolvers<void>();
    const sidecar = await startFakeSidecar(noHttp, async function* (call) {
      yield confirmed;
      yield eventMessage("1", '{"item":"apple"}');
      yield eventMessage("2", "hello", "text/plain");
      yield eventMessage("3", "raw", "application/octet-stream");
      for await (const verdict of verdictsOf(call)) {
        verdicts.push(verdict);
        if (verdicts.length === 3) done.resolve();
      }
    });
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    const options = { metadata: { m: "1" }, deadLetterTopic: "dead" };
    const events = await client.pubsub("bus").subscribe<{ item: string }>("orders", options);
    const seen: unknown[] = [];
    for await (const event of events) {
      seen.push(event.data);
      if (event.id === "1") {
        expect(event).toMatchObject({
          ...{ source: "shop", type: "t", specVersion: "1.0", pubsubName: "bus", topic: "orders" },
          ...{ subject: undefined, time: "2026-01-01T00:00:00Z", extensions: { traceparent: "00-1" } },
        });
        event.ack();
        // The first verdict counts.
        event.drop();
      } else if (event.id === "2") event.retry();
      else {
        event.drop();
        await done.promise;
        break;
      }
    }
    expect(seen).toEqual([{ item: "apple" }, "hello", Buffer.from("raw")]);
    expect(verdicts).toEqual([
      ["1", 0],
      ["2", 1],
      ["3", 2],
    ]);
    expect(sidecar.grpc[0]?.message).toMatchObject({
      subscribeTopicEventsRequestType: {
        case: "initialRequest",
        value: { pubsubName: "bus", topic: "orders", metadata: { m: "1" }, deadLetterTopic: "dead" },
      },
    });
  });

  test("ends the stream when the loop is left", async () => {
    const left = Promise.withResolvers<void>();
    const sidecar = await startFakeSidecar(noHttp, async function* ({ stream }) {
      stream.once("cancelled", () => left.resolve());
      yield confirmed;
      yield eventMessage("1", "1");
      await left.promise;
    });
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    for await (const event of await client.pubsub("bus").subscribe("orders")) {
      expect(event.data).toBe(1);
      break;
    }
    await left.promise;
  });

  test("ends a loop that waits when the stream is closed", async () => {
    const sidecar = await startFakeSidecar(noHttp, async function* ({ stream }) {
      yield confirmed;
      await new Promise((resolve) => stream.once("cancelled", resolve));
    });
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    const events = await client.pubsub("bus").subscribe("orders");
    const loop = (async () => {
      for await (const _ of events) throw new Error("there are no events");
    })();
    await turn();
    await events.close();
    await loop;
  });

  test("rejects a loop whose signal is aborted", async () => {
    const sidecar = await startFakeSidecar(noHttp, async function* ({ stream }) {
      yield confirmed;
      await new Promise((resolve) => stream.once("cancelled", resolve));
    });
    const controller = new AbortController();
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    const events = await client.pubsub("bus").subscribe("orders", { signal: controller.signal });
    const next = events[Symbol.asyncIterator]().next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ code: "canceled" });
  });

  test("rejects when the subscription is refused", async () => {
    const sidecar = await startFakeSidecar(noHttp, () => ({ code: 3, details: "pubsub bus is not found" }));
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    await expect(client.pubsub("bus").subscribe("orders")).rejects.toMatchObject({
      code: "invalid_argument",
      message: "pubsub bus is not found",
    });
  });

  test("rejects when the subscription is not confirmed in time", async () => {
    const sidecar = await startFakeSidecar(noHttp, () => undefined);
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    await expect(client.pubsub("bus").subscribe("orders", { timeoutMs: 20 })).rejects.toMatchObject({
      code: "deadline_exceeded",
      message: "subscribing to orders of bus did not finish within 20 ms",
    });
  });

  test("tells of a stream that breaks", async () => {
    const sidecar = await startFakeSidecar(noHttp, ({ stream }) => {
      stream.write(confirmed as never);
      stream.emit("error", { code: 14, details: "shutting down" });
      return undefined;
    });
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    const events = await client.pubsub("bus").subscribe("orders");
    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "unavailable", retryable: true });
  });

  test("hears of configuration changes", async () => {
    const sidecar = await startFakeSidecar(noHttp, async function* () {
      yield { id: "7" };
      yield { id: "7", items: { color: { value: "red", version: "1" } } };
    });
    const client = sidecar.client(transport, { grpcEndpoint: sidecar.grpcEndpoint });
    const updates = await client.configuration("c").subscribe(["color"], { metadata: { n: "1" } });
    expect(updates.id).toBe("7");
    const seen: unknown[] = [];
    for await (const update of updates) seen.push(update);
    expect(seen).toEqual([{ id: "7", items: { color: { value: "red", version: "1", metadata: {} } } }]);
    expect(sidecar.grpc[0]?.message).toMatchObject({ storeName: "c", keys: ["color"], metadata: { n: "1" } });
  });
});
