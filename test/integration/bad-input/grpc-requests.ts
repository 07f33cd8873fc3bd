import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";

const m = Dapr.method;

/** Bytes that are no protobuf message, whatever the type. */
export const notProtobuf: Readonly<Record<string, Uint8Array>> = {
  "a field number of zero": Buffer.from([0x00, 0x00]),
  "a tag cut off": Buffer.from([0xff]),
  "a tag without end": Buffer.alloc(20, 0xff),
  "a text cut off": Buffer.from([0x0a, 0x05, 0x61]),
  "a length that no message has": Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]),
  "a group that does not end": Buffer.from([0x0b]),
  "an unknown wire type": Buffer.from([0x0f, 0x00]),
  JSON: Buffer.from('{"storeName":"store"}'),
};

/** A text that is not UTF-8 in field 1, which is the name of a component in all of these. */
export const notUtf8 = Buffer.from([0x0a, 0x02, 0xc3, 0x28]);

/** Methods of one message; all have a text in field 1. */
export const unary = [
  m.getState,
  m.getBulkState,
  m.saveState,
  m.deleteState,
  m.deleteBulkState,
  m.executeStateTransaction,
  m.queryStateAlpha1,
  m.publishEvent,
  m.bulkPublishEvent,
  m.invokeBinding,
  m.getSecret,
  m.getBulkSecret,
  m.getConfiguration,
  m.unsubscribeConfiguration,
  m.tryLockAlpha1,
  m.unlockAlpha1,
  m.subtleGetKeyAlpha1,
  m.subtleEncryptAlpha1,
  m.subtleSignAlpha1,
  m.converseAlpha1,
  m.converseAlpha2,
  m.setMetadata,
] as const;

const item = { key: "k", value: Buffer.from("1") };
const long = "x".repeat(10_000);

interface BadCall {
  readonly name: string;
  readonly rpc: (typeof m)[keyof typeof m];
  readonly messages: readonly object[];
  readonly codes: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
}
const bad = (
  name: string,
  rpc: BadCall["rpc"],
  messages: object | readonly object[],
  codes: readonly number[] = [3],
): BadCall => ({
  name,
  rpc,
  messages: Array.isArray(messages) ? (messages as readonly object[]) : [messages as object],
  codes,
});
const options = { componentName: "keys", keyName: "aes", keyWrapAlgorithm: "AES" };
const payload = (seq: bigint, text = "abc") => ({ payload: { seq, data: Buffer.from(text) } });
const first = { requestType: undefined };
const initial = (pubsubName: string, topic: string) => ({
  subscribeTopicEventsRequestType: { case: "initialRequest" as const, value: { pubsubName, topic } },
});

/** Messages that can be read and ask for nonsense. */
export const badCalls: readonly BadCall[] = [
  bad("no store", m.getState, {}),
  bad("an unknown store", m.getState, { storeName: "nope", key: "k" }),
  bad("no key", m.getState, { storeName: "store" }),
  bad("a key with the separator", m.getState, { storeName: "store", key: "a||b" }),
  bad("a very long unknown store", m.getState, { storeName: long }),
  bad("an item without key", m.saveState, { storeName: "store", states: [{}] }),
  bad("a time to live in words", m.saveState, {
    storeName: "store",
    states: [{ ...item, metadata: { ttlInSeconds: "soon" } }],
  }),
  bad("a stale etag", m.saveState, { storeName: "store", states: [{ ...item, etag: { value: "stale" } }] }, [10]),
  bad("a deletion without key", m.deleteState, { storeName: "store" }),
  bad("bulk deletion without key", m.deleteBulkState, { storeName: "store", states: [item, {}] }),
  bad("bulk reading with a bad key", m.getBulkState, { storeName: "store", keys: ["k", "a||b"] }),
  bad(
    "an operation without name",
    m.executeStateTransaction,
    { storeName: "store", operations: [{ request: item }] },
    [12],
  ),
  bad("an operation without request", m.executeStateTransaction, {
    storeName: "store",
    operations: [{ operationType: "upsert" }],
  }),
  bad("a query that is none", m.queryStateAlpha1, { storeName: "store", query: "{" }),
  bad("a query nested without end", m.queryStateAlpha1, {
    storeName: "store",
    query: `{"filter":${'{"AND":['.repeat(5000)}`,
  }),
  bad("no pubsub", m.publishEvent, {}),
  bad("no topic", m.publishEvent, { pubsubName: "bus" }),
  bad("raw payload that is neither true nor false", m.publishEvent, {
    pubsubName: "bus",
    topic: "t",
    metadata: { rawPayload: "maybe" },
  }),
  bad("an entry without id", m.bulkPublishEvent, { pubsubName: "bus", topic: "t", entries: [{}] }),
  bad("no binding", m.invokeBinding, {}, [13]),
  bad("an unknown operation", m.invokeBinding, { name: "files", operation: "fly" }, [13]),
  bad("no secret store", m.getSecret, {}),
  bad("no configuration store", m.getConfiguration, {}),
  bad("a lock for nothing", m.tryLockAlpha1, { storeName: "locks" }),
  bad("a lock of the past", m.tryLockAlpha1, {
    storeName: "locks",
    resourceId: "r",
    lockOwner: "o",
    expiryInSeconds: -1,
  }),
  bad("no crypto provider", m.subtleEncryptAlpha1, {}),
  bad(
    "an unknown algorithm",
    m.subtleEncryptAlpha1,
    { componentName: "keys", keyName: "aes", algorithm: "ROT13" },
    [3, 13],
  ),
  bad("nothing said", m.converseAlpha1, { name: "echo" }),
  bad("a message of nobody", m.converseAlpha2, { name: "echo", inputs: [{ messages: [{}] }] }),
  bad("an invocation of nobody", m.invokeService, {}),
  bad("an invocation without message", m.invokeService, { id: "app" }),
  bad("an invocation with a control byte", m.invokeService, { id: "app", message: { method: "a\u0001b" } }),
  bad("a job that is none", m.scheduleJob, {}),
  // ---- streams in the wrong order
  bad("encryption without a message", m.encryptAlpha1, []),
  bad("encryption that begins with its payload", m.encryptAlpha1, [payload(0n)]),
  bad("encryption without options", m.encryptAlpha1, [{}]),
  bad("encryption by nobody", m.encryptAlpha1, [{ options: { ...options, componentName: "nope" } }]),
  bad("encryption without a key", m.encryptAlpha1, [{ options: { ...options, keyName: "" } }]),
  bad("options given twice", m.encryptAlpha1, [{ options }, { options }], [3, 13]),
  bad("payloads out of order", m.encryptAlpha1, [{ options }, payload(1n), payload(0n)], [3, 13]),
  bad("a payload given twice", m.encryptAlpha1, [{ options }, payload(0n), payload(0n)], [3, 13]),
  bad("a payload that is far ahead", m.encryptAlpha1, [{ options }, payload(2n ** 60n)], [3, 13]),
  bad("decryption without a message", m.decryptAlpha1, []),
  bad("decryption of nothing", m.decryptAlpha1, [{ options: { componentName: "keys" } }], [3, 13]),
  bad("decryption of noise", m.decryptAlpha1, [{ options: { componentName: "keys" } }, payload(0n, long)], [3, 13]),
  bad("a subscription without a message", m.subscribeTopicEventsAlpha1, []),
  bad("a subscription without an initial request", m.subscribeTopicEventsAlpha1, [first]),
  bad("a subscription to no pubsub", m.subscribeTopicEventsAlpha1, [initial("", "t")]),
  bad("a subscription to no topic", m.subscribeTopicEventsAlpha1, [initial("bus", "")]),
  bad("a subscription to an unknown pubsub", m.subscribeTopicEventsAlpha1, [initial("nope", "t")]),
  bad("a subscription that begins twice", m.subscribeTopicEventsAlpha1, [initial("bus", "t"), initial("bus", "t")]),
  bad("a subscription to an unknown configuration", m.subscribeConfiguration, [{ storeName: "nope" }]),
  bad("actor events where there are no actors", m.subscribeActorEventsAlpha1, [first], [13]),
];
