import { expect, it } from "vitest";
import { Request } from "../../../../sidecar/kernel/request.ts";
import { factsOf } from "../../../../sidecar/telemetry/span-facts.ts";

class Called extends Request {
  readonly #api: string;
  constructor(wire: "http" | "grpc", api: string) {
    super(wire, {}, () => {});
    this.#api = api;
  }

  override get api(): string {
    return this.#api;
  }
}

it.each([
  [
    "GET /v1.0/state/store/key",
    "/v1.0/state/store/key",
    {
      "db.system": "state",
      "db.name": "store",
      "db.statement": "GET /v1.0/state/store",
      "db.connection_string": "state",
    },
  ],
  [
    "POST /v1.0/publish/bus/a/b",
    "/v1.0/publish/bus/a/b",
    { "messaging.system": "pubsub", "messaging.destination": "a/b", "messaging.destination_kind": "topic" },
  ],
  [
    "PUT /v1.0/invoke/shop/method/orders/1",
    "CallLocal/shop/orders/1",
    { "dapr.invoke_method": "orders/1", "net.peer.name": "shop", "rpc.service": "ServiceInvocation" },
  ],
  ["GET /v1.0/metadata", "/v1.0/metadata", {}],
])("the span of %s is called %s", (api, name, attributes) => {
  expect(factsOf(new Called("http", api), "Endpoint")).toEqual({
    name,
    attributes: { "dapr.protocol": "http", "dapr.api": api, ...attributes },
  });
});

it("the span of a gRPC call is called by its method", () => {
  const api = "/dapr.proto.runtime.v1.Dapr/GetState";
  expect(factsOf(new Called("grpc", api), api)).toEqual({
    name: api,
    attributes: { "dapr.protocol": "grpc", "dapr.api": api, "rpc.service": "Dapr" },
  });
});
