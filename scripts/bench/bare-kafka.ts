import { Producer } from "@platformatic/kafka";

/**
 * The limit for publishing to Kafka: the client library's own producer, acknowledged by all replicas and idempotent.
 * `bare-kafka.ts <host:port> <batches> <messages per batch> <bytes>`; writes messages per second.
 */
const [address = "", batches, count, bytes] = process.argv.slice(2);
const producer = new Producer({
  clientId: "bare",
  bootstrapBrokers: [address],
  acks: -1,
  idempotent: true,
  autocreateTopics: true,
});
const value = Buffer.alloc(Number(bytes), "x");
const messages = Array.from({ length: Number(count) }, () => ({ topic: "bare", value }));
await producer.send({ messages });
const started = performance.now();
for (let batch = 0; batch < Number(batches); batch += 1) await producer.send({ messages });
const seconds = (performance.now() - started) / 1000;
console.log(String((Number(batches) * Number(count)) / seconds));
await producer.close();
