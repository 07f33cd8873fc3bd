import { causeText, fail } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type AnyMethod, method } from "../../kernel/method.ts";
import type { Brokers } from "./brokers.ts";
import { BulkFailure, bulkFailureOutput, readBulk } from "./bulk-http.ts";
import type { Publisher } from "./publish.ts";

/** PublishEvent: one event to one topic. */
export const publishEvent = (brokers: Brokers, publisher: Publisher): AnyMethod =>
  method(
    Dapr.method.publishEvent,
    "publish",
    {
      verbs: ["POST", "PUT"],
      paths: ["/v1.0/publish/:pubsubname/*"],
      input: (http) => {
        const contentType = http.headers["content-type"];
        return {
          pubsubName: http.params["pubsubname"] ?? "",
          topic: http.params["*"] ?? "",
          data: http.body,
          dataContentType: typeof contentType === "string" ? contentType : "",
          metadata: http.metadata,
        };
      },
      status: 204,
    },
    async (input, request) => {
      const { topic, data, metadata, dataContentType: contentType } = input;
      const broker = brokers.require(input.pubsubName);
      publisher.check(broker, topic);
      await publisher.publish(broker, { topic, data, contentType, metadata }, request);
      return {};
    },
  );

/** BulkPublishEvent: several events to one topic; fails as a whole when the broker did not take all of them. */
export const bulkPublishEvent = (brokers: Brokers, publisher: Publisher): AnyMethod =>
  method(
    [Dapr.method.bulkPublishEvent, Dapr.method.bulkPublishEventAlpha1],
    "publish",
    {
      verbs: ["POST", "PUT"],
      paths: ["/v1.0/publish/bulk/:pubsubname/*", "/v1.0-alpha1/publish/bulk/:pubsubname/*"],
      input: readBulk,
      status: 204,
      failure: bulkFailureOutput,
    },
    async (input, request) => {
      const { topic, metadata } = input;
      const broker = brokers.require(input.pubsubName);
      publisher.check(broker, topic);
      const entries = input.entries.map(({ entryId, event: data, contentType, metadata: own }) => {
        return { entryId, data, contentType, metadata: own };
      });
      const failed = await publisher.publishMany(broker, topic, entries, metadata, request);
      if (failed.length === 0) return {};
      const cause = new BulkFailure(failed);
      throw fail("pubsubPublish", { name: broker.name, topic, cause: causeText(cause) }, { cause });
    },
  );
