import { type Static, type TObject, Type } from "typebox";
import { choice, durationMs, flag, integer, list, requiredText, secret, text } from "../contract/settings.ts";

/** Settings of every component that lives in JetStream. */
export const connectionSettings = {
  natsURL: requiredText({
    description:
      "Address, `nats://host:port`, or `tls://` with encryption; several, separated by commas, for a cluster. May name a user and a password, `nats://user:password@host:port`, or a token, `nats://token@host:port`.",
    sensitive: true,
    example: "nats://localhost:4222",
  }),
  token: secret({ default: "", description: "Token, where the server asks for one." }),
  jwt: secret({ default: "", description: "JWT of the user; seedKey belongs to it." }),
  seedKey: secret({ default: "", description: "Seed of the user's key (`SU...`), which signs for jwt, or alone." }),
  tls_client_cert: text({
    default: "",
    description: "Certificate that the sidecar shows, as PEM or as the path of a file; tls_client_key belongs to it.",
  }),
  tls_client_key: secret({ default: "", description: "Key of tls_client_cert, as PEM or as the path of a file." }),
  caCert: text({
    default: "",
    description:
      "Certificates that the server's must come from, as PEM or as the path of a file; default: those that Node trusts.",
  }),
  domain: text({ default: "", description: "JetStream domain, where leaf nodes have their own." }),
  apiPrefix: text({ default: "", description: "Prefix of the JetStream API in place of `$JS.API`." }),
};

export type ConnectionSettings = Static<TObject<typeof connectionSettings>> & { readonly name: string };

/** What streams and buckets are made like. */
export const storageSettings = {
  replicas: Type.Optional(
    integer({ minimum: 1, description: "Servers of a cluster that keep what this component makes; default: 1." }),
  ),
  memoryStorage: flag({
    default: false,
    description:
      "Keeps what this component makes in the server's memory, where it ends with the server; all but `MECHA_GROUPS`, which components share.",
  }),
};

export const streamSettings = {
  streamName: Type.Optional(
    text({ description: "Stream to read from; default: the one whose subjects cover the topic." }),
  ),
  createStreams: flag({
    default: true,
    description:
      "Makes a stream for a topic that no stream covers, and `MECHA_GROUPS` (subjects `$MECHA.group.>`), in which ordered subscriptions keep their places. false: such topics are refused.",
  }),
  streamMaxAge: durationMs({
    default: 7 * 24 * 3_600_000,
    unit: "s",
    description:
      "Messages of streams that this component makes are dropped after so long, whether handled or not; 0: never.",
  }),
  ...storageSettings,
};

export type StreamSettings = Static<TObject<typeof streamSettings>>;

export const groupSettings = {
  durableName: Type.Optional(
    text({
      description:
        "Name of the durable consumer, for a component with one topic; default: one made of group and topic. One that is there must pull, and acknowledge explicitly.",
    }),
  ),
  queueGroupName: Type.Optional(
    text({ description: "Group whose members share the messages, in place of consumerID." }),
  ),
  deliverPolicy: Type.Optional(
    choice(["all", "last", "new", "sequence", "time"], {
      description:
        "Where a new group starts in the stream; default: sequence with startSequence, time with startTime, else all.",
    }),
  ),
  startSequence: Type.Optional(
    integer({ minimum: 1, description: "With deliverPolicy sequence: number of the first message." }),
  ),
  startTime: integer({
    default: 0,
    minimum: 0,
    description: "With deliverPolicy time: messages from this time on, in seconds since 1970.",
  }),
  ackPolicy: choice(["explicit", "all", "none"], {
    default: "explicit",
    description:
      "`none`: a message that the app fails to handle does not come again. `all` is as `explicit`: each message is acknowledged by itself.",
  }),
  ackWait: Type.Optional(
    durationMs({
      unit: "s",
      description:
        "After a crash, messages that were being handled are delivered again so much later, default: 30 seconds. Where it is set and backOff is not, also the pause before a message that the app failed to handle is delivered again, else 1 second.",
    }),
  ),
  maxDeliver: Type.Optional(
    integer({
      minimum: -1,
      description: "Most attempts for a message, which is then dropped; default and -1: no end.",
    }),
  ),
  maxAckPending: Type.Optional(
    integer({
      minimum: -1,
      description:
        "Most messages that a group has in work or that wait for a further attempt; -1: no end. Default: 10000.",
    }),
  ),
  backOff: list({
    default: [],
    description:
      "Pauses before a message that the app failed to handle is delivered again, one for each attempt, the last one for all further ones.",
    example: "1s, 5s, 1m",
  }),
  concurrency: Type.Optional(
    choice(["single", "parallel"], {
      description:
        "`single`: one message of a subscription at a time. `parallel`: as many as the subscription says. Default: single, unless the subscription names its own concurrency.",
    }),
  ),
  heartbeat: durationMs({
    default: 5000,
    unit: "s",
    description: "How often the server says that it is there while it has no messages; at least half a second.",
  }),
  flowControl: flag({ default: false, description: "No effect: only as much is asked for as can be handled." }),
  rateLimit: Type.Optional(
    integer({ minimum: 1, description: "Most bits per second that each subscription of a sidecar reads." }),
  ),
};

export type GroupSettings = Static<TObject<typeof groupSettings>>;
