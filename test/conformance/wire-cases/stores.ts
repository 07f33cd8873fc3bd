import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { ask, call, fails, type Outcome, type WireCase, type WireStep } from "../wire.suite.ts";

const {
  getSecret,
  getBulkSecret,
  getConfiguration,
  getConfigurationAlpha1,
  unsubscribeConfiguration,
  tryLockAlpha1,
  unlockAlpha1,
} = Dapr.method;

const secret = (store: string, key: string, outcome: Outcome): WireStep => ({
  http: ask("GET", `/v1.0/secrets/${store}/${key}?metadata.a=b`),
  grpc: call(getSecret, { storeName: store, key, metadata: { a: "b" } }),
  expect: outcome,
});
const bulkSecret = (store: string, outcome: Outcome): WireStep => ({
  http: ask("GET", `/v1.0/secrets/${store}/bulk`),
  grpc: call(getBulkSecret, { storeName: store }),
  expect: outcome,
});

export const secretCases: readonly WireCase[] = [
  {
    name: "a secret is read by its name",
    steps: [secret("vault", "db", { message: { data: { db: "hunter2" } }, body: { db: "hunter2" } })],
  },
  {
    name: "all secrets are read, without those that are denied",
    steps: [
      bulkSecret("vault", {
        message: { data: { db: { secrets: { db: "hunter2" } }, api: { secrets: { api: "key" } } } },
        body: { db: { db: "hunter2" }, api: { api: "key" } },
      }),
    ],
  },
  {
    name: "a denied secret is refused",
    steps: [secret("vault", "root", fails("secretDenied", { name: "vault", key: "root" }))],
  },
  {
    name: "an unknown store is refused",
    steps: [
      secret("nope", "db", fails("secretStoreNotFound", { name: "nope", known: "vault" })),
      bulkSecret("nope", fails("secretStoreNotFound", { name: "nope", known: "vault" })),
    ],
  },
  {
    name: "an absent secret is told as such",
    steps: [
      secret("vault", "none", fails("secretGet", { name: "vault", key: "none", cause: "secret none is not found" })),
    ],
  },
];

const item = (value: string, version: string) => ({ value, version });
const http = (one: ReturnType<typeof item>) => ({ ...one, metadata: {} });
const configuration = (
  keys: readonly string[],
  items: Readonly<Record<string, ReturnType<typeof item>>>,
): WireStep[] => {
  const search = keys.map((key) => `key=${key}`).join("&");
  const expected: Outcome =
    Object.keys(items).length === 0
      ? { message: {}, status: 204 }
      : { message: { items }, body: Object.fromEntries(Object.entries(items).map(([key, one]) => [key, http(one)])) };
  return [
    {
      http: ask("GET", `/v1.0/configuration/config?${search}`),
      grpc: call(getConfiguration, { storeName: "config", keys: [...keys] }),
      expect: expected,
    },
    {
      http: ask("GET", `/v1.0-alpha1/configuration/config?${search}`),
      grpc: call(getConfigurationAlpha1, { storeName: "config", keys: [...keys] }),
      expect: expected,
    },
  ];
};

export const configurationCases: readonly WireCase[] = [
  {
    name: "items are read by key, in both versions of the API",
    steps: [
      ...configuration(["a"], { a: item("1", "1") }),
      ...configuration(["a", "none", "b"], { a: item("1", "1"), b: item("2", "v7") }),
    ],
  },
  { name: "without keys all items are read", steps: configuration([], { a: item("1", "1"), b: item("2", "v7") }) },
  { name: "nothing found has no content", steps: configuration(["none"], {}) },
  {
    name: "a subscription is opened and ended",
    steps: [
      {
        http: ask("GET", "/v1.0/configuration/config/subscribe?key=a"),
        expect: { body: { id: expect.stringMatching(/./) } },
      },
      ({ json }) => ({
        http: ask("GET", `/v1.0/configuration/config/${json["id"]}/unsubscribe`),
        grpc: call(unsubscribeConfiguration, { storeName: "config", id: String(json["id"]) }),
        expect: { message: { ok: true } },
      }),
    ],
  },
  {
    name: "an unknown store is refused",
    steps: [
      {
        http: ask("GET", "/v1.0/configuration/nope"),
        grpc: call(getConfiguration, { storeName: "nope" }),
        expect: fails("configurationNotFound", { name: "nope", known: "config" }),
      },
      {
        http: ask("GET", "/v1.0/configuration/nope/x/unsubscribe"),
        grpc: call(unsubscribeConfiguration, { storeName: "nope", id: "x" }),
        expect: fails("configurationNotFound", { name: "nope", known: "config" }),
      },
    ],
  },
];

const lock = (resourceId: string, lockOwner: string, success: boolean): WireStep => ({
  http: ask("POST", "/v1.0-alpha1/lock/locks", { resourceId, lockOwner, expiryInSeconds: 60 }),
  grpc: call(tryLockAlpha1, { storeName: "locks", resourceId, lockOwner, expiryInSeconds: 60 }),
  expect: { message: success ? { success } : {}, body: { success } },
});
const unlock = (resourceId: string, lockOwner: string, status: 0 | 1 | 2): WireStep => ({
  http: ask("POST", "/v1.0-alpha1/unlock/locks", { resourceId, lockOwner }),
  grpc: call(unlockAlpha1, { storeName: "locks", resourceId, lockOwner }),
  expect: {
    message: status === 0 ? {} : { status: ["SUCCESS", "LOCK_DOES_NOT_EXIST", "LOCK_BELONGS_TO_OTHERS"][status] },
    body: { status },
  },
});
const badLock = (fields: object, why: string, storeName = "locks"): WireStep => {
  const wanted = { resourceId: "r", lockOwner: "o", expiryInSeconds: 60, ...fields };
  return {
    http: ask("POST", `/v1.0-alpha1/lock/${storeName}`, wanted),
    grpc: call(tryLockAlpha1, { storeName, ...wanted }),
    expect: fails("lockRequest", { name: storeName, why }),
  };
};

export const lockCases: readonly WireCase[] = [
  {
    name: "a lock is held by one owner until it is given back",
    steps: [
      lock("l", "a", true),
      lock("l", "b", false),
      unlock("l", "b", 2),
      unlock("l", "a", 0),
      unlock("l", "a", 1),
      lock("l", "b", true),
    ],
  },
  {
    name: "a request without resource, owner or time is refused before its store is looked up",
    steps: [
      badLock({ resourceId: "" }, "field resourceId is empty"),
      badLock({ lockOwner: "" }, "field lockOwner is empty"),
      badLock({ expiryInSeconds: 0 }, "field expiryInSeconds is not over 0"),
      badLock({ expiryInSeconds: -5 }, "field expiryInSeconds is not over 0", "nope"),
    ],
  },
  {
    name: "an unknown store is refused",
    steps: [
      {
        http: ask("POST", "/v1.0-alpha1/lock/nope", { resourceId: "r", lockOwner: "o", expiryInSeconds: 1 }),
        grpc: call(tryLockAlpha1, { storeName: "nope", resourceId: "r", lockOwner: "o", expiryInSeconds: 1 }),
        expect: fails("lockStoreNotFound", { name: "nope", known: "locks" }),
      },
      {
        http: ask("POST", "/v1.0-alpha1/unlock/nope", { resourceId: "r", lockOwner: "o" }),
        grpc: call(unlockAlpha1, { storeName: "nope", resourceId: "r", lockOwner: "o" }),
        expect: fails("lockStoreNotFound", { name: "nope", known: "locks" }),
      },
    ],
  },
  {
    name: "field names in snake case and numbers in text are taken",
    steps: [
      {
        http: ask("POST", "/v1.0-alpha1/lock/locks", {
          resource_id: "snake",
          lock_owner: "o",
          expiry_in_seconds: "60",
        }),
        expect: { body: { success: true } },
      },
    ],
  },
  {
    name: "a lock is waited for, renewed and numbered",
    steps: [
      {
        http: ask("POST", "/v1.0-alpha1/lock/locks/acquire", {
          resourceId: "n",
          lockOwner: "a",
          expiryInSeconds: 60,
          waitInSeconds: 1,
        }),
        grpc: call(Mecha.method.acquireLock, {
          storeName: "locks",
          resourceId: "n",
          lockOwner: "a",
          expiryInSeconds: 60,
          waitInSeconds: 1,
        }),
        expect: { message: { success: true, fencingToken: expect.stringMatching(/^\d+$/) } },
      },
      {
        http: ask("POST", "/v1.0-alpha1/lock/locks/renew", { resourceId: "n", lockOwner: "a", expiryInSeconds: 60 }),
        grpc: call(Mecha.method.renewLock, {
          storeName: "locks",
          resourceId: "n",
          lockOwner: "a",
          expiryInSeconds: 60,
        }),
        expect: { message: { success: true } },
      },
    ],
  },
];
