import { PassThrough, Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrames, writeFrame } from "../../../../sidecar/peers/frames.ts";

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

async function encoded(messages: readonly Uint8Array[]): Promise<Buffer> {
  const stream = new PassThrough({ highWaterMark: 1 << 24 });
  for (const message of messages) await writeFrame(stream, message);
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

async function decoded(body: AsyncIterable<Uint8Array>, maxBytes?: number): Promise<string[]> {
  const messages: string[] = [];
  for await (const message of decodeFrames(body, maxBytes)) messages.push(Buffer.from(message).toString("hex"));
  return messages;
}

describe("messages in frames", () => {
  it("come out as they went in, however the stream is cut into chunks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.array(fc.nat({ max: 30 })),
        async (messages, sizes) => {
          const found = await decoded(chunksOf(await encoded(messages), sizes));
          expect(found).toEqual(messages.map((message) => Buffer.from(message).toString("hex")));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("may be larger than what is copied", async () => {
    const large = Buffer.alloc(100_000, 7);
    expect(await decoded(chunksOf(await encoded([large]), [3, 50_000]))).toEqual([large.toString("hex")]);
  });

  it("are refused when they are too large, compressed or cut short", async () => {
    const frame = await encoded([Buffer.alloc(11)]);
    await expect(decoded(chunksOf(frame, []), 10)).rejects.toThrow("11 bytes is larger than 10");
    await expect(decoded(chunksOf(frame.subarray(0, 8), []))).rejects.toThrow("inside a message");
    await expect(decoded(chunksOf(frame.subarray(0, 2), []))).rejects.toThrow("inside a message");
    frame[0] = 1;
    await expect(decoded(chunksOf(frame, []))).rejects.toThrow("compressed");
  });

  it("wait for a full stream to drain, and no longer than it lives", async () => {
    const writes: (() => void)[] = [];
    const slow = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void writes.push(done) });
    const waiting = writeFrame(slow, Buffer.from("x"));
    expect(waiting).toBeInstanceOf(Promise);
    writes.shift()?.();
    await waiting;
    const forEver = writeFrame(slow, Buffer.from("x"));
    slow.destroy();
    await forEver;
    expect([slow.listenerCount("drain"), slow.listenerCount("close")]).toEqual([0, 0]);
  });
});
