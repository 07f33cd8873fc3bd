import type { ListSubscriptionsByTopicCommandOutput, SNSClient } from "@aws-sdk/client-sns";
import { fail } from "../../specs/errors.ts";
import { type Client, openClient, untilAborted } from "../aws/client.ts";
import { errorName, isDenied, translate } from "../aws/failures.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { managed } from "./management.ts";
import { topicName } from "./names.ts";
import type { BrokerSettings } from "./settings.ts";

export type SnsLibrary = typeof import("@aws-sdk/client-sns");

/** The topics of one component: found or made when they are first needed. */
export class Topics {
  readonly client: Client<SNSClient>;
  readonly library: SnsLibrary;
  readonly #settings: BrokerSettings;
  readonly #context: OpenContext;
  readonly #arns = new Map<string, Promise<string>>();
  readonly #byName = new Map<string, string>();
  #account: Promise<string> | undefined;

  constructor(client: Client<SNSClient>, library: SnsLibrary, settings: BrokerSettings, context: OpenContext) {
    this.client = client;
    this.library = library;
    this.#settings = settings;
    this.#context = context;
  }

  /** Rejects with `openFailed`. */
  static async open(settings: BrokerSettings, context: OpenContext): Promise<Topics> {
    const library = await import("@aws-sdk/client-sns");
    const opening = { service: "SNS" };
    const client = await openClient((options) => new library.SNSClient(options), opening, settings, context);
    return new Topics(client, library, settings, context);
  }

  /** ARN of a topic, which is made when it is absent and may be made. Rejects with reasons. */
  require(topic: string, call: Call): Promise<string> {
    let found = this.#arns.get(topic);
    if (!found) {
      // Others wait for the same, so it does not end with this call.
      found = this.#find(topic, {});
      this.#arns.set(topic, found);
      found.catch(() => this.forget(topic));
    }
    return untilAborted(found, call.signal);
  }

  /** It is looked for anew when it is needed again. */
  forget(topic: string): void {
    this.#arns.delete(topic);
  }

  async #find(topic: string, call: Call): Promise<string> {
    const { fifo, disableEntityManagement, assetsManagementTimeoutSeconds } = this.#settings;
    const name = topicName(topic, fifo);
    const other = this.#byName.get(name);
    if (other !== undefined && other !== topic) {
      throw fail("badRequest", {
        why: `topics ${other} and ${topic} would both be ${name} in SNS; rename one of them`,
      });
    }
    this.#byName.set(name, topic);
    return managed(assetsManagementTimeoutSeconds, call, async (within) => {
      if (disableEntityManagement) return this.#arnOf(name, within);
      try {
        return await this.#create(name, within);
      } catch (error) {
        // It is there, made by somebody else with other attributes or tags.
        if (errorName(error).startsWith("InvalidParameter") && /already exists/i.test(String(error))) {
          return this.#arnOf(name, within);
        }
        throw translate(error, this.client.asked);
      }
    });
  }

  async #create(name: string, call: Call): Promise<string> {
    const command = new this.library.CreateTopicCommand({
      Name: name,
      ...(this.#settings.fifo ? { Attributes: { FifoTopic: "true" } } : {}),
    });
    return (await this.client.ask((sns, options) => sns.send(command, options), call)).TopicArn ?? "";
  }

  async #arnOf(name: string, call: Call): Promise<string> {
    this.#account ??= this.#findAccount(call);
    this.#account.catch(() => (this.#account = undefined));
    return `arn:${partitionOf(this.client.region)}:sns:${this.client.region}:${await this.#account}:${name}`;
  }

  async #findAccount(call: Call): Promise<string> {
    const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
    const make = (options: ConstructorParameters<typeof STSClient>[0] & object) => new STSClient(options);
    const client = await openClient(make, { service: "STS" }, this.#settings, this.#context);
    try {
      const command = new GetCallerIdentityCommand({});
      return (await client.run((sts, options) => sts.send(command, options), call)).Account ?? "";
    } finally {
      await client.close();
    }
  }

  /** Sees to it that a queue gets the messages of a topic. Rejects with reasons. */
  async connect(topicArn: string, queueArn: string, call: Call): Promise<void> {
    const { disableEntityManagement, assetsManagementTimeoutSeconds } = this.#settings;
    await managed(assetsManagementTimeoutSeconds, call, async (within) => {
      if (disableEntityManagement) return this.#checkConnected(topicArn, queueArn, within);
      const command = new this.library.SubscribeCommand({
        TopicArn: topicArn,
        Protocol: "sqs",
        Endpoint: queueArn,
        ReturnSubscriptionArn: true,
      });
      await this.client.run((sns, options) => sns.send(command, options), within);
    });
  }

  async #checkConnected(topicArn: string, queueArn: string, call: Call): Promise<void> {
    let token: string | undefined;
    try {
      do {
        const command = new this.library.ListSubscriptionsByTopicCommand({
          TopicArn: topicArn,
          ...(token === undefined ? {} : { NextToken: token }),
        });
        const page: ListSubscriptionsByTopicCommandOutput = await this.client.ask(
          (sns, options) => sns.send(command, options),
          call,
        );
        if (page.Subscriptions?.some(({ Endpoint }) => Endpoint === queueArn)) return;
        token = page.NextToken;
      } while (token !== undefined && token !== "");
    } catch (error) {
      if (!isDenied(error)) {
        const missing = `topic ${topicArn} does not exist; create it, or take disableEntityManagement out`;
        throw translate(error, this.client.asked, { NotFoundException: missing, NotFound: missing });
      }
      const fields = { topic: topicArn, queue: queueArn };
      this.#context.log.warn("the policy lacks sns:ListSubscriptionsByTopic: a subscription cannot be checked", fields);
      return;
    }
    throw fail("badRequest", {
      why: `topic ${topicArn} does not deliver to queue ${queueArn}; subscribe the queue, or take disableEntityManagement out`,
    });
  }
}

const partitionOf = (region: string) => {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
};
