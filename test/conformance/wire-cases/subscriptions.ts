import { expect } from "vitest";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { ask, call, fails, nothing, type WireCase } from "../wire.suite.ts";

const m = Mecha.method;
const root = "/v1.0-alpha1/subscriptions";
const one = { pubsubName: "bus", topic: "orders" };
const path = `${root}/bus/orders`;
const absent = { pubsubName: "bus", topic: "x" };
const known = fails("subscriptionNotFound", { name: "bus", topic: "x", why: "the app subscribes to bus/orders" });

const stateIs = (state: string) => ({
  http: ask("GET", root),
  grpc: call(m.listSubscriptions, {}),
  expect: { message: { subscriptions: [expect.objectContaining({ ...one, origin: "DECLARATIVE", state })] } },
});

export const subscriptionCases: readonly WireCase[] = [
  {
    name: "a subscription is paused and resumed",
    steps: [
      { http: ask("POST", `${path}/pause`), grpc: call(m.pauseSubscription, one), expect: nothing },
      stateIs("paused"),
      { http: ask("POST", `${path}/resume`), grpc: call(m.resumeSubscription, one), expect: nothing },
    ],
  },
  {
    name: "a subscription that is not there is named with those that are",
    steps: [
      { http: ask("POST", `${root}/bus/x/pause`), grpc: call(m.pauseSubscription, absent), expect: known },
      { http: ask("POST", `${root}/bus/x/resume`), grpc: call(m.resumeSubscription, absent), expect: known },
      { http: ask("POST", `${root}/bus/x/redrive`, {}), grpc: call(m.redriveMessages, absent), expect: known },
    ],
  },
  {
    name: "where nothing is parked there is nothing to list, to redrive or to drop",
    steps: [
      { http: ask("GET", `${path}/parked`), grpc: call(m.listParkedMessages, one), expect: { message: {} } },
      { http: ask("POST", `${path}/redrive`, {}), grpc: call(m.redriveMessages, one), expect: { message: {} } },
      { http: ask("POST", `${path}/parked/drop`, {}), grpc: call(m.dropParkedMessages, one), expect: { message: {} } },
    ],
  },
  {
    name: "a parked message that is not there is an error, and so is a limit out of range",
    steps: [
      {
        http: ask("POST", `${path}/redrive`, { ids: ["7"] }),
        grpc: call(m.redriveMessages, { ...one, ids: ["7"] }),
        expect: fails("parkedNotFound", { name: "bus", topic: "orders", id: "7" }),
      },
      {
        http: ask("GET", `${path}/parked?limit=1001`),
        grpc: call(m.listParkedMessages, { ...one, limit: 1001 }),
        expect: fails("malformedRequest", { why: "limit must be 1 to 1000, got 1001" }),
      },
    ],
  },
];
