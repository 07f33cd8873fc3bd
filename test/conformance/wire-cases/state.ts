import { expect } from "vitest";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ask, call, fails, nothing, type WireCase, type WireStep } from "../wire.suite.ts";

import { absent, at, consistencies, found, get, remove, save, some } from "./state-steps.ts";

const { getState, deleteState } = Dapr.method;

/** One value at a time. */
export const stateCases: readonly WireCase[] = [
  { name: "a key that was never written has no content", steps: [get("never", absent)] },
  {
    name: "a value comes back as it was written, with an etag",
    steps: [save([{ key: "a", value: { n: [1, "ü", null] } }]), get("a", found({ n: [1, "ü", null] }))],
  },
  {
    name: "a text, a number, a truth and null are values",
    steps: [
      save([
        { key: "t", value: "text" },
        { key: "n", value: 1.5 },
        { key: "b", value: false },
        { key: "0", value: null },
      ]),
      get("t", found("text")),
      get("n", found(1.5)),
      get("b", found(false)),
      get("0", found(null)),
    ],
  },
  {
    name: "a later write wins",
    steps: [save([{ key: "w", value: 1 }]), save([{ key: "w", value: 2 }]), get("w", found(2))],
  },
  { name: "writing nothing succeeds", steps: [save([])] },
  {
    name: "PUT writes as POST does",
    steps: [{ http: ask("PUT", at, [{ key: "put", value: 1 }]), expect: nothing }, get("put", found(1))],
  },
  {
    name: "keys may hold any character but the separator",
    steps: ["a/b", "a b", "ü", "a%2Fb", "a|b", "a?b#c", "a+b", "bulk "].flatMap((key) => [
      save([{ key, value: key }]),
      get(key, found(key)),
    ]),
  },
  {
    name: "consistency may be asked for",
    steps: ["eventual", "strong"].flatMap((word): WireStep[] => [
      save([{ key: word, value: 1, options: { consistency: word as "strong" } }]),
      {
        http: ask("GET", `${at}/${word}?consistency=${word}`),
        grpc: call(getState, { storeName: "store", key: word, consistency: consistencies[word as "strong"] }),
        expect: found(1),
      },
    ]),
  },
  {
    name: "consistency in other words is refused",
    steps: [
      {
        http: ask("GET", `${at}/a?consistency=weak`),
        expect: fails("malformedRequest", { why: 'consistency must be eventual or strong, got "weak"' }),
      },
    ],
  },
  {
    name: "the current etag is let through, once",
    steps: [
      save([{ key: "e", value: 1 }]),
      get("e", found(1)),
      ({ etag }) => save([{ key: "e", value: 2, etag }]),
      get("e", found(2)),
    ],
  },
  {
    name: "a stale etag is refused and changes nothing",
    steps: [
      save([{ key: "s", value: 1 }]),
      save([{ key: "s", value: 2, etag: "stale" }], fails("stateSaveEtagMismatch", { name: "store", key: "s" })),
      get("s", found(1)),
    ],
  },
  {
    name: "an empty etag is an etag",
    steps: [
      save([{ key: "m", value: 1 }]),
      save([{ key: "m", value: 2, etag: "" }], fails("stateSaveEtagMismatch", { name: "store", key: "m" })),
    ],
  },
  {
    name: "first-write writes only what is not there",
    steps: [
      save([{ key: "f", value: 1, options: { concurrency: "first-write" } }]),
      save(
        [{ key: "f", value: 2, options: { concurrency: "first-write" } }],
        fails("stateSaveEtagMismatch", { name: "store", key: "f" }),
      ),
      save([{ key: "f", value: 3, options: { concurrency: "last-write" } }]),
      get("f", found(3)),
    ],
  },
  {
    name: "a value with a time to live tells when it ends",
    steps: [
      save([{ key: "ttl", value: 1, metadata: { ttlInSeconds: "100" } }]),
      get(
        "ttl",
        found(1, {
          metadata: { ttlExpireTime: expect.stringMatching(/^20.*Z$/) },
          headers: { "metadata.ttlexpiretime": expect.stringMatching(/^20.*Z$/) },
        }),
      ),
      save([{ key: "ttl", value: 2, metadata: { ttlInSeconds: "-1" } }]),
      get("ttl", found(2, { headers: { "metadata.ttlexpiretime": undefined } })),
    ],
  },
  {
    name: "a time to live that is no number is refused",
    steps: [
      save(
        [{ key: "x", value: 1, metadata: { ttlInSeconds: "soon" } }],
        fails("requestMetadataInvalid", { key: "ttlInSeconds", why: '"soon" is not a whole number of seconds' }),
      ),
      ...["", " 5", "1e3", "0x10", "1.5"].map((ttlInSeconds) =>
        save(
          [{ key: "x", value: 1, metadata: { ttlInSeconds } }],
          fails("requestMetadataInvalid", {
            key: "ttlInSeconds",
            why: `${JSON.stringify(ttlInSeconds)} is not a whole number of seconds`,
          }),
        ),
      ),
      get("x", absent),
    ],
  },
  {
    name: "the longest time to live is kept, a longer one refused",
    steps: [
      save([{ key: "age", value: 1, metadata: { ttlInSeconds: "250000000000" } }]),
      get("age", found(1, { metadata: { ttlExpireTime: expect.stringMatching(/^9\d\d\d-/) } })),
      save(
        [{ key: "age", value: 2, metadata: { ttlInSeconds: "250000000001" } }],
        fails("requestMetadataInvalid", {
          key: "ttlInSeconds",
          why: '"250000000001" is not a whole number of seconds up to 250000000000',
        }),
      ),
    ],
  },
  {
    name: "metadata of the query goes over that of the items",
    steps: [
      {
        http: ask("POST", `${at}?metadata.ttlInSeconds=100`, [
          { key: "q", value: 1, metadata: { ttlInSeconds: "-1" } },
        ]),
        expect: nothing,
      },
      get("q", found(1, { metadata: { ttlExpireTime: some }, headers: { "metadata.ttlexpiretime": some } })),
    ],
  },
  {
    name: "a deleted value is gone, and so is one that never was",
    steps: [save([{ key: "d", value: 1 }]), remove("d", undefined), get("d", absent), remove("d", undefined)],
  },
  {
    name: "deleting with the current etag succeeds",
    steps: [save([{ key: "de", value: 1 }]), get("de", found(1)), ({ etag }) => remove("de", etag), get("de", absent)],
  },
  {
    name: "deleting with a stale or an empty etag is refused",
    steps: [
      save([{ key: "ds", value: 1 }]),
      remove("ds", "stale", fails("stateDeleteEtagMismatch", { name: "store", key: "ds" })),
      remove("ds", "", fails("stateDeleteEtagMismatch", { name: "store", key: "ds" })),
      get("ds", found(1)),
    ],
  },
  {
    name: "deleting takes options and metadata",
    steps: [
      save([{ key: "do", value: 1 }]),
      {
        http: ask("DELETE", `${at}/do?concurrency=last-write&consistency=strong&metadata.a=b`),
        grpc: call(deleteState, {
          storeName: "store",
          key: "do",
          options: { concurrency: 2, consistency: 2 },
          metadata: { a: "b" },
        }),
        expect: nothing,
      },
      get("do", absent),
    ],
  },
];
