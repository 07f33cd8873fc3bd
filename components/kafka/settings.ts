import { type Static, type TObject, Type } from "typebox";
import { bytes, choice, durationMs, flag, integer, requiredText, secret, text } from "../contract/settings.ts";

const optionalText = (description: string) => Type.Optional(text({ description }));

const addressSettings = {
  brokers: requiredText({
    description: "Addresses of some brokers, `host:port`, separated by commas; they name the others.",
    example: "localhost:9092",
  }),
  clientID: text({ default: "sarama", description: "Name under which the brokers know this client." }),
  version: text({
    default: "2.0.0.0",
    description: "No effect: each broker is asked which versions of the protocol it speaks.",
  }),
};

const authSettings = {
  authType: choice(["none", "password", "mtls", "certificate", "oidc", "oidc_private_key_jwt", "awsiam"], {
    description:
      "How the sidecar identifies itself: `none`; `password` by saslMechanism; `mtls` by clientCert; `certificate`: not at all, over TLS; `oidc` and `oidc_private_key_jwt` by a token. `awsiam` is refused.",
  }),
  saslUsername: text({ default: "", description: "User, for authType password." }),
  saslPassword: secret({ default: "", description: "Password, for authType password." }),
  saslMechanism: choice(["PLAINTEXT", "SHA-256", "SHA-512"], {
    default: "PLAINTEXT",
    description: "How the password is proven; SHA-256 and SHA-512 are SCRAM.",
  }),
};

const tlsSettings = {
  disableTls: flag({
    default: false,
    description: "Connects without TLS. Without it only authType none does, unless caCert is given.",
  }),
  skipVerify: flag({ default: false, description: "Accepts any certificate of a broker; for tests only." }),
  caCert: text({
    default: "",
    description: "Certificates (PEM) that the brokers' must come from; default: those that Node trusts.",
  }),
  clientCert: text({ default: "", description: "Certificate (PEM) that the sidecar shows; clientKey belongs to it." }),
  clientKey: secret({ default: "", description: "Key (PEM) of clientCert." }),
};

const oidcSettings = {
  oidcTokenEndpoint: optionalText("With oidc: URL that gives tokens."),
  oidcClientID: optionalText("With oidc: id of the sidecar there."),
  oidcClientSecret: Type.Optional(secret({ description: "With authType oidc: secret of the sidecar there." })),
  oidcScopes: text({ default: "openid", description: "With oidc: scopes to ask for, separated by commas." }),
  oidcExtensions: optionalText("With oidc: what goes to the broker with the token, a JSON object of texts."),
  oidcClientAssertionCert: optionalText("With oidc_private_key_jwt: certificate (PEM) of the key."),
  oidcClientAssertionKey: Type.Optional(
    secret({ description: "With oidc_private_key_jwt: private key (PEM) that signs the assertion." }),
  ),
  oidcResource: optionalText("With oidc_private_key_jwt: resource to ask a token for."),
  oidcAudience: optionalText("With oidc_private_key_jwt: audience to ask a token for."),
  oidcKid: optionalText("With oidc_private_key_jwt: key id to put into the assertion."),
};

const networkSettings = {
  dialTimeout: durationMs({ default: 30_000, unit: "s", description: "Longest time to connect." }),
  readTimeout: durationMs({
    default: 30_000,
    unit: "s",
    description: "A connection that owes an answer for so long is given up and made anew.",
  }),
  writeTimeout: durationMs({ default: 30_000, unit: "s", description: "No effect: readTimeout covers it." }),
  metadataTimeout: durationMs({
    default: 0,
    unit: "s",
    description: "Longest time to find out which broker leads a topic; 0: the caller's.",
  }),
  clientConnectionTopicMetadataRefreshInterval: durationMs({
    default: 540_000,
    unit: "s",
    description: "How often the brokers are asked for new partitions and leaders, beside when that is needed.",
  }),
  clientConnectionKeepAliveInterval: durationMs({
    default: 0,
    unit: "s",
    description: "Idle connections show so often that they are alive (TCP keep-alive); 0: never.",
  }),
};

const publishSettings = {
  maxMessageBytes: bytes({
    default: 2 ** 20,
    description: "Largest message, with key and headers. What the topic takes (max.message.bytes) counts too.",
  }),
  producerRequiredAcks: choice(["all", "local", "none", "-1", "1", "0"], {
    default: "all",
    description:
      "Who has a message before publishing succeeds: `all` replicas in sync, the leader alone (`local`), or nobody (`none`), which loses messages when a broker ends.",
  }),
  producerRetryMax: integer({
    default: 5,
    minimum: 0,
    description: "How often a message is sent again that a broker refuses for now; a lost connection does not count.",
  }),
  compression: choice(["none", "gzip", "snappy", "lz4", "zstd"], {
    default: "none",
    description: "How messages are compressed.",
  }),
};

const consumeSettings = (consumeRetryEnabled: boolean) => ({
  consumerGroup: optionalText("Consumer group; default: consumerID, which is the app id."),
  initialOffset: choice(["newest", "oldest"], {
    default: "newest",
    description: "Where a consumer group starts in a topic that it has never read.",
  }),
  consumeRetryEnabled: flag({
    default: consumeRetryEnabled,
    description: "Delivers a message again that the app failed to handle; without it the next one follows.",
  }),
  consumeRetryInterval: durationMs({
    default: 100,
    unit: "ms",
    description: "Pause before a message is delivered again.",
  }),
  heartbeatInterval: durationMs({
    default: 3000,
    unit: "s",
    description: "How often a subscription tells its group that it is there, and learns of others.",
  }),
  sessionTimeout: durationMs({
    default: 10_000,
    unit: "s",
    description: "A subscription that has not been heard of for so long is gone; others take over.",
  }),
  consumerGroupRebalanceStrategy: choice(["range", "sticky", "roundrobin"], {
    default: "range",
    description: "How a group shares partitions; all members must have the same.",
  }),
  channelBufferSize: integer({
    default: 256,
    minimum: 1,
    description: "Fetches more of a partition when fewer messages of it wait for the app.",
  }),
  consumerFetchMin: integer({
    default: 1,
    minimum: 1,
    description: "Bytes that a broker waits for, at most half a second, before it gives messages.",
  }),
  consumerFetchDefault: bytes({
    default: 2 ** 20,
    description: "Most bytes fetched of a partition at once; a larger message comes alone.",
  }),
});

const messageSettings = {
  escapeHeaders: flag({
    default: false,
    description: "URL-encodes the values of headers that come as metadata, for those that HTTP cannot carry.",
  }),
  excludeHeaderMetaRegex: text({
    default: "",
    description: "Metadata whose key matches this regular expression does not become a header, nor a header metadata.",
  }),
  schemaRegistryURL: optionalText("URL of the schema registry, for messages with metadata valueSchemaType Avro."),
  schemaRegistryAPIKey: optionalText("User of the schema registry."),
  schemaRegistryAPISecret: Type.Optional(secret({ description: "Password of the schema registry." })),
  schemaCachingEnabled: flag({ default: true, description: "Remembers schemas." }),
  schemaLatestVersionCacheTTL: durationMs({
    default: 300_000,
    unit: "s",
    description: "How long the latest schema of a topic is remembered.",
  }),
  useAvroJSON: flag({
    default: false,
    description: "JSON of Avro messages names the types of unions, as Avro's own JSON does.",
  }),
};

/** Settings of every component of Kafka; durations in milliseconds. Some have no effect, and say why. */
export const kafkaSettings = ({ consumeRetryEnabled }: { readonly consumeRetryEnabled: boolean }) => ({
  ...addressSettings,
  ...authSettings,
  ...tlsSettings,
  ...oidcSettings,
  ...networkSettings,
  ...publishSettings,
  ...consumeSettings(consumeRetryEnabled),
  ...messageSettings,
});

export type Settings = Static<TObject<ReturnType<typeof kafkaSettings>>>;
