// Which folders may import a library: its doors. One door each, wherever that is possible, so that replacing a library
// touches one folder. .dependency-cruiser.cjs enforces this map and CONTRIBUTING.md repeats it with the reasons (a test
// compares them). Scripts and tests may import any library.

/** @type {Record<string, string[]>} library → folders, or single files ending in `.ts` */
const doors = {
  "@bufbuild/protobuf": ["specs", "sidecar", "sdk", "components/pluggable"],
  "@grpc/grpc-js": [
    "sidecar/wire/grpc",
    "sidecar/app-channel",
    "sidecar/peers",
    "sidecar/telemetry",
    "sdk",
    "components/pluggable",
  ],
  "@marcbachmann/cel-js": ["sidecar/blocks/pubsub", "sidecar/host"],
  "@opentelemetry/api": ["sidecar/telemetry"],
  "@opentelemetry/exporter-trace-otlp-http": ["sidecar/telemetry"],
  "@opentelemetry/exporter-trace-otlp-grpc": ["sidecar/telemetry"],
  "@opentelemetry/exporter-zipkin": ["sidecar/telemetry"],
  "@opentelemetry/resources": ["sidecar/telemetry"],
  "@opentelemetry/sdk-trace-base": ["sidecar/telemetry"],
  commander: ["sidecar/cli"],
  croner: ["sidecar/blocks/jobs", "components/cron"],
  fastify: ["sidecar/wire/http"],
  ioredis: ["components/redis"],
  "multicast-dns": ["components/mdns"],
  pg: ["components/postgresql"],
  pino: ["sidecar/kernel"],
  "prom-client": ["sidecar/kernel"],
  typebox: ["components", "specs/schemas", "sidecar/host"],
  undici: ["components/http"],
  yaml: ["sidecar/config", "sidecar/cli", "components/kubernetes"],
  "@aws-sdk/client-dynamodb": ["components/aws.dynamodb", "components/aws.kinesis"],
  "@aws-sdk/client-kinesis": ["components/aws.kinesis"],
  "@aws-sdk/client-s3": ["components/aws.s3"],
  "@aws-sdk/client-secrets-manager": ["components/aws.secretmanager"],
  "@aws-sdk/client-sesv2": ["components/aws.ses"],
  "@aws-sdk/client-sns": ["components/aws.snssqs", "components/aws.sns"],
  "@aws-sdk/client-sqs": ["components/aws"],
  "@aws-sdk/client-ssm": ["components/aws.parameterstore"],
  "@aws-sdk/client-sts": ["components/aws.snssqs"],
  "@aws-sdk/credential-providers": ["components/aws"],
  "@smithy/node-http-handler": ["components/aws"],
  "@nats-io/transport-node": ["components/jetstream"],
  "@platformatic/kafka": ["components/kafka"],
  avsc: ["components/kafka"],
  mqtt: ["components/mqtt3"],
  mysql2: ["components/mysql"],
  nodemailer: ["components/smtp"],
  amqplib: ["components/rabbitmq"],
};

/** Libraries only scripts and tests import; they are not there in production. */
const forTools = [
  "@dapr/dapr",
  "ajv",
  "autocannon",
  "dependency-cruiser",
  "esbuild",
  "fast-check",
  "typescript",
  "vitest",
];

module.exports = { doors, forTools };
