import cron from "../../components/cron/bindings.ts";
import graphql from "../../components/graphql/bindings.ts";
import http from "../../components/http/bindings.ts";
import localStorage from "../../components/localstorage/bindings.ts";
import smtp from "../../components/smtp/bindings.ts";
import { startHttpServer } from "../support/http-server.ts";
import { startSmtpServer } from "../support/smtp-server.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { awsBindingTargets } from "./aws.targets.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import { kafkaBindingTarget } from "./kafka.targets.ts";
import { kubernetesBindingTarget } from "./kubernetes.targets.ts";
import { mqttBindingTarget } from "./mqtt3.targets.ts";
import { mysqlBindingTarget } from "./mysql.targets.ts";
import { pluggableBindingTargets } from "./pluggable.targets.ts";
import { postgresqlBindingTarget } from "./postgresql.targets.ts";
import { rabbitmqBindingTarget } from "./rabbitmq.targets.ts";
import { redisBindingTarget } from "./redis.targets.ts";

/** The bindings under test. */
export const bindingTargets: readonly BindingTarget[] = [
  {
    driver: cron,
    prepare: () => ({ schedule: "@every 1m" }),
    input: { happen: (clock) => clock.advance(60_000) },
  },
  {
    driver: http,
    prepare: async () => ({ url: await startHttpServer((_, body) => ({ body: `got ${body}` })) }),
    output: {
      request: { operation: "create", data: Buffer.from("hello"), metadata: {} },
      answer: "got hello",
    },
  },
  ...pluggableBindingTargets,
  kafkaBindingTarget,
  mysqlBindingTarget,
  postgresqlBindingTarget,
  mqttBindingTarget,
  rabbitmqBindingTarget,
  redisBindingTarget,
  ...awsBindingTargets,
  {
    driver: localStorage,
    prepare: () => ({ rootPath: tempFolder() }),
    output: {
      request: { operation: "create", data: Buffer.from('"hello!"'), metadata: { fileName: "a/b.txt" } },
      answer: '{"fileName":"a/b.txt"}',
    },
  },
  kubernetesBindingTarget,
  {
    driver: smtp,
    prepare: async () => ({ host: "127.0.0.1", port: (await startSmtpServer()).port, skipTLSVerify: true }),
    output: {
      request: {
        operation: "create",
        data: Buffer.from("<b>hello</b>"),
        metadata: { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "hello" },
      },
      answer: "",
    },
  },
  {
    driver: graphql,
    prepare: async () => ({ endpoint: await startHttpServer(() => ({ body: '{"data": {"n": 1}}' })) }),
    output: {
      request: { operation: "query", data: Buffer.alloc(0), metadata: { query: "{ n }" } },
      answer: '{"n":1}',
    },
  },
];
