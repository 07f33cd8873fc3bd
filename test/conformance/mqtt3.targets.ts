import mqtt from "mqtt";
import mqttBindings from "../../components/mqtt3/bindings.ts";
import mqttPubsub from "../../components/mqtt3/pubsub.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import { fresh } from "./target.ts";

const isMissing = !(await requireService("mosquitto"));
const url = async () => String((await startServer("mosquitto")).settings["url"]);
const from = (more: Readonly<Record<string, string>>) => async () => ({
  url: await url(),
  redeliverInterval: "100ms",
  ...more,
});

const common: Omit<PubsubTarget, "settings"> = {
  driver: mqttPubsub,
  isMissing,
  time: "backend",
  forgetsUnheard: true,
  levels: { separator: "/", any: "+" },
};

export const mqttPubsubTargets: Readonly<Record<string, PubsubTarget>> = {
  // Without metadata there are no keys to order by.
  "pubsub.mqtt3": { ...common, settings: from({}), bytesOnly: true, without: ["ordering"] },
  "pubsub.mqtt3 with MQTT 5": { ...common, settings: from({ protocolVersion: "5" }) },
};

let topic = "";

export const mqttBindingTarget: BindingTarget = {
  driver: mqttBindings,
  isMissing,
  prepare: async () => {
    topic = fresh("t");
    return { url: await url(), topic, consumerID: fresh("c") };
  },
  output: { request: { operation: "create", data: Buffer.from("hello"), metadata: {} }, answer: "" },
  input: {
    happen: async () => {
      const client = await mqtt.connectAsync((await url()).replace("tcp:", "mqtt:"));
      await client.subscribeAsync(topic, { qos: 1 });
      const echo = new Promise((resolve) => client.once("message", resolve));
      await client.publishAsync(topic, "hello", { qos: 1 });
      // Who came before has it by then, but for what is left to do in this process.
      await echo;
      await client.endAsync();
      for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    },
  },
};
