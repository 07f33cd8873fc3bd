import type { Writable } from "node:stream";

/** gRPC's framing of messages on a stream: one byte of flags, four of length, the message. */

const headBytes = 5;
/** Below, one copy is cheaper than a second write. */
const copyBytes = 16 * 1024;

/**
 * Messages of a stream, undecoded. Ends with the stream; rejects when the stream breaks off, ends inside a message, or
 * carries a compressed message or one of more than `maxBytes`.
 */
export async function* decodeFrames(
  body: AsyncIterable<Uint8Array>,
  maxBytes = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  const pending = new Pending();
  let length = -1;
  for await (const chunk of body) {
    pending.add(chunk);
    for (;;) {
      if (length < 0) {
        if (pending.size < headBytes) break;
        const head = pending.take(headBytes);
        if (head[0] !== 0) throw new Error("a message between sidecars must not be compressed");
        length = head.readUInt32BE(1);
        if (length > maxBytes)
          throw new Error(`a message of ${length} bytes is larger than ${maxBytes} (--max-body-size)`);
      }
      if (pending.size < length) break;
      yield pending.take(length);
      length = -1;
    }
  }
  if (length >= 0 || pending.size > 0) throw new Error("the stream ended inside a message");
}

/** Bytes that have arrived and belong to no message yet; joined only once a message is complete. */
class Pending {
  #chunks: Uint8Array[] = [];
  size = 0;

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.size += chunk.byteLength;
  }

  take(count: number): Buffer {
    const [first] = this.#chunks;
    const joined = first && first.byteLength >= count ? first : Buffer.concat(this.#chunks);
    if (joined !== first) this.#chunks = [joined];
    const rest = joined.subarray(count);
    if (rest.byteLength > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.size -= count;
    return Buffer.from(joined.buffer, joined.byteOffset, count);
  }
}

/** Writes one message; resolves at once, or when the stream has drained or is over. */
export function writeFrame(stream: Writable, message: Uint8Array): Promise<void> | undefined {
  const head = Buffer.allocUnsafe(headBytes);
  head[0] = 0;
  head.writeUInt32BE(message.byteLength, 1);
  let room: boolean;
  if (message.byteLength <= copyBytes) room = stream.write(Buffer.concat([head, message]));
  else {
    stream.write(head);
    room = stream.write(message);
  }
  return room ? undefined : drained(stream);
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
