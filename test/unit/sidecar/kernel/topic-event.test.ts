import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { TopicEvent } from "../../../../sidecar/kernel/app.ts";
import { parseJson } from "../../../../sidecar/kernel/json.ts";
import { topicEventRequest } from "../../../../sidecar/kernel/topic-event.ts";
import { TopicEventRequestSchema } from "../../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";

const requestFor = (json: string) => {
  const envelope = parseJson(json, "the event") as Record<string, unknown>;
  const event: TopicEvent = {
    id: String(envelope["id"] ?? "m1"),
    pubsubName: "ps",
    topic: "orders",
    path: "/orders",
    json: Buffer.from(json),
    envelope,
    metadata: {},
    trace: undefined,
  };
  return create(TopicEventRequestSchema, topicEventRequest(event));
};
const dataOf = (json: string) => Buffer.from(requestFor(json).data).toString();

test("attributes go to their fields, all others to the extensions", () => {
  const json =
    '{"id":"1","source":"s","type":"t","specversion":"1.0","datacontenttype":"text/plain","data":"x","topic":"orders","pubsubname":"ps","traceid":"ti","custom":1.5,"nested":{"big":1180591620717411303424}}';
  expect(requestFor(json)).toMatchObject({
    id: "1",
    source: "s",
    type: "t",
    specVersion: "1.0",
    dataContentType: "text/plain",
    topic: "orders",
    pubsubName: "ps",
    path: "/orders",
    extensions: {
      topic: "orders",
      pubsubname: "ps",
      traceid: "ti",
      custom: 1.5,
      nested: { big: 2 ** 70 },
    },
  });
});

test.each([
  ["base64 is decoded", '{"data_base64":"aGk=","datacontenttype":"application/octet-stream"}', "hi"],
  [
    "JSON is written with every digit",
    '{"data":{"n":12345678901234567890},"datacontenttype":"application/json"}',
    '{"n":12345678901234567890}',
  ],
  ["a JSON text keeps its quotes", '{"data":"x","datacontenttype":"application/json"}', '"x"'],
  ["a text goes as it is", '{"data":"x","datacontenttype":"text/plain"}', "x"],
  ["a text of an unknown type goes as it is", '{"data":"x","datacontenttype":"image/svg"}', "x"],
  ["an object of an unknown type goes as JSON", '{"data":{"a":1}}', '{"a":1}'],
  ["no data is nothing", '{"id":"1"}', ""],
])("data: %s", (_, json, expected) => {
  expect(dataOf(json)).toBe(expected);
});
