import { connect } from "amqplib";
import rabbitmqBindings from "../../components/rabbitmq/bindings.ts";
import rabbitmqPubsub from "../../components/rabbitmq/pubsub.ts";
import { requireService, startServer } from "../support/server.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import { fresh } from "./target.ts";

const isMissing = !(await requireService("rabbitmq"));
const address = async () => String((await startServer("rabbitmq")).settings["connectionString"]);

export const rabbitmqPubsubTarget: PubsubTarget = {
  driver: rabbitmqPubsub,
  isMissing,
  time: "backend",
  settings: async () => ({
    connectionString: await address(),
    durable: "true",
    deletedWhenUnused: "false",
    redeliverInterval: "100ms",
  }),
  forgetsUnheard: true,
};

let queueName = "";

export const rabbitmqBindingTarget: BindingTarget = {
  driver: rabbitmqBindings,
  isMissing,
  prepare: async () => {
    queueName = fresh("q");
    return { host: await address(), queueName };
  },
  output: { request: { operation: "create", data: Buffer.from("hello"), metadata: { color: "blue" } }, answer: "" },
  input: {
    happen: async () => {
      const connection = await connect(await address());
      const channel = await connection.createChannel();
      channel.sendToQueue(queueName, Buffer.from("hello"));
      // It is on its way as soon as somebody consumes it.
      for (let isReady = true; isReady; ) {
        const { messageCount, consumerCount } = await channel.checkQueue(queueName);
        isReady = messageCount > 0 && consumerCount > 0;
      }
      await connection.close();
    },
  },
};
