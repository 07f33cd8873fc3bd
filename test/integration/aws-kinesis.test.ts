import { DynamoDBClient, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { CreateStreamCommand, KinesisClient, PutRecordCommand } from "@aws-sdk/client-kinesis";
import { describe, expect, test } from "vitest";
import kinesis from "../../components/aws.kinesis/bindings.ts";
import { type AwsPlace, awsClient, awsReply, awsSettings, awsThrough, operationOf, ownAws } from "../support/aws.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { openContext, openDriver } from "../support/open-driver.ts";
import { requireService } from "../support/server.ts";

const isMissing = !(await requireService("moto"));

async function stream(ShardCount: number) {
  const place = await ownAws();
  const client = awsClient(KinesisClient, place);
  await client.send(new CreateStreamCommand({ StreamName: "events", ShardCount }));
  const put = (text: string, key = text) =>
    client.send(new PutRecordCommand({ StreamName: "events", PartitionKey: key, Data: Buffer.from(text) }));
  const leases = async () => {
    const { Items = [] } = await awsClient(DynamoDBClient, place).send(new ScanCommand({ TableName: "readers" }));
    return Items;
  };
  return { place, client, put, leases };
}

/** Time for all readers of a test: theirs stands still unless the test waits. */
async function reader(place: AwsPlace, clock: FakeClock) {
  const settings = { ...awsSettings(place), streamName: "events", consumerName: "readers" };
  const binding = await openDriver(kinesis, settings, openContext({ clock }));
  const seen: string[] = [];
  const subscription = await binding.read?.(async ({ data }) => void seen.push(Buffer.from(data).toString()), {});
  return { binding, seen, close: async () => subscription?.close() };
}

const passing = (clock: FakeClock, isMet: () => boolean | Promise<boolean>) =>
  expect
    .poll(
      async () => {
        await clock.advance(1000);
        return isMet();
      },
      { timeout: 20_000 },
    )
    .toBe(true);

describe.skipIf(isMissing)("a stream of Kinesis", () => {
  test("each record reaches one of those who share the stream, with its key", async () => {
    const { place, put, leases } = await stream(4);
    const clock = new FakeClock();
    const [one, two] = [await reader(place, clock), await reader(place, clock)];
    const sent = Array.from({ length: 20 }, (_, n) => String(n));
    for (const text of sent) await put(text);
    const all = () => [...one.seen, ...two.seen];
    await passing(clock, () => all().length >= sent.length);
    expect(all().sort()).toEqual([...sent].sort());
    const [item] = await leases();
    expect(item).toMatchObject({
      ShardID: { S: expect.stringMatching(/^shardId-/) },
      AssignedTo: { S: expect.any(String) },
    });
  });

  test("reading goes on behind what was handled, with the next reader of that name", async () => {
    const { place, put } = await stream(1);
    const clock = new FakeClock();
    const first = await reader(place, clock);
    await put("1");
    await passing(clock, () => first.seen.length === 1);
    await first.close();
    await put("2");
    const second = await reader(place, clock);
    await passing(clock, () => second.seen.length > 0);
    expect([first.seen, second.seen]).toEqual([["1"], ["2"]]);
  });

  test("the shards of a reader that has vanished go to another one, with all that came meanwhile", async () => {
    const { place, put, leases } = await stream(1);
    const gone = new FakeClock();
    await reader(place, gone);
    const clock = new FakeClock();
    const heir = await reader(place, clock);
    const [before] = await leases();
    await put("1");
    // The first one's time stands still; the lease ends in the other one's.
    await passing(clock, () => heir.seen.length === 1);
    expect((await leases())[0]?.["AssignedTo"]).not.toEqual(before?.["AssignedTo"]);
  });

  test("a lease that another program left, with its own way to write times, is taken when it has ended", async () => {
    const { place, put, leases } = await stream(1);
    const clock = new FakeClock();
    const first = await reader(place, clock);
    await put("1");
    await passing(clock, () => first.seen.length === 1);
    await first.close();
    const [{ MechaSince: _, ...lease } = {}] = await leases();
    const Item = { ...lease, AssignedTo: { S: "other" }, LeaseTimeout: { S: "2020-01-01T00:00:00Z" } };
    await awsClient(DynamoDBClient, place).send(new PutItemCommand({ TableName: "readers", Item: Item as never }));
    await put("2");
    const second = await reader(place, clock);
    await passing(clock, () => second.seen.length === 1);
    expect(second.seen).toEqual(["2"]);
  });

  test("a shard that was split is read to its end, and then those it became, from their beginning", async () => {
    const { place, leases } = await stream(1);
    const record = (text: string) => ({
      Data: Buffer.from(text).toString("base64"),
      PartitionKey: text,
      SequenceNumber: text,
    });
    // The double never ends a shard.
    const pages: Record<string, readonly [text: string | undefined, next: string | null]> = {
      "parent LATEST": [undefined, "parent 1"],
      "parent 1": ["1", "parent 2"],
      "parent 2": ["2", null],
      "left TRIM_HORIZON": ["3", "left 1"],
      "right TRIM_HORIZON": ["4", "right 1"],
    };
    const through = await awsThrough(place, (request, body) => {
      const { ShardId, ShardIteratorType, ShardIterator = "" } = JSON.parse(body || "{}");
      switch (operationOf(request)) {
        case "ListShards":
          return awsReply({
            Shards: ["left", "parent", "right"].map((id) =>
              id === "parent" ? { ShardId: id } : { ShardId: id, ParentShardId: "parent" },
            ),
          });
        case "GetShardIterator":
          return awsReply({ ShardIterator: `${ShardId} ${ShardIteratorType}` });
        case "GetRecords": {
          const [text, next] = pages[ShardIterator] ?? [undefined, ShardIterator];
          return awsReply({ Records: text === undefined ? [] : [record(text)], NextShardIterator: next });
        }
        default:
          return "pass";
      }
    });
    const clock = new FakeClock();
    const { seen } = await reader(through, clock);
    await passing(clock, () => seen.length === 4);
    expect([seen.slice(0, 2), seen.slice(2).sort()]).toEqual([
      ["1", "2"],
      ["3", "4"],
    ]);
    expect((await leases()).find((lease) => lease["ShardID"]?.S === "parent")?.["Checkpoint"]).toEqual({
      S: "SHARD_END",
    });
  });

  test("reading needs a name for those who share the stream", async () => {
    const { place } = await stream(1);
    const binding = await openDriver(kinesis, { ...awsSettings(place), streamName: "events" });
    const reading = binding.read?.(async () => undefined, {});
    await expect(reading).rejects.toThrow(/^consumerName: reading needs it/);
  });
});
