import jetstreamPubsub from "../../components/jetstream/pubsub.ts";
import { requireService, startServer } from "../support/server.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";

const isMissing = !(await requireService("nats"));
/** A server keeps its own time. */
const common = { isMissing, time: "backend" } as const;

const settings =
  (more: Readonly<Record<string, string>> = {}) =>
  async () => ({ ...(await startServer("nats")).settings, ...more });

export const jetstreamPubsubTarget: PubsubTarget = {
  ...common,
  driver: jetstreamPubsub,
  // Real time passes in these tests.
  // Headers count as well.
  maxBytes: (1 << 20) - 1024,
  settings: settings({ concurrency: "parallel", ackWait: "2s", backOff: "100ms" }),
};
