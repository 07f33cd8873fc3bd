import { Duplex, PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { messagesOf, writeMessage } from "../../../../../sidecar/wire/grpc/streams.ts";

const all = async (messages: AsyncIterable<string>) => {
  const found: string[] = [];
  for await (const one of messages) found.push(one);
  return found;
};
const never = new AbortController().signal;

describe("the messages of a call", () => {
  it("come in order until the caller has sent the last", async () => {
    const call = new PassThrough({ objectMode: true });
    const reading = all(messagesOf<string>(call));
    for (const one of ["a", "b", "c"]) call.write(one);
    call.end();
    expect(await reading).toEqual(["a", "b", "c"]);
  });

  it("are not taken faster than they are used", async () => {
    let given = 0;
    const call = new Duplex({
      objectMode: true,
      readableHighWaterMark: 1,
      read() {
        this.push(String(given++));
      },
      write() {},
    });
    const messages = messagesOf<string>(call);
    expect([(await messages.next()).value, (await messages.next()).value]).toEqual(["0", "1"]);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeLessThan(10);
  });

  it("end with the failure of a call that breaks off", async () => {
    const call = new PassThrough({ objectMode: true });
    const reading = all(messagesOf<string>(call));
    call.write("a");
    call.destroy(new Error("broken"));
    await expect(reading).rejects.toThrow("broken");
  });

  it("end with a failure when the caller cancels, now or before anybody looked", async () => {
    const call = new PassThrough({ objectMode: true });
    const reading = all(messagesOf<string>(call));
    call.emit("cancelled");
    await expect(reading).rejects.toThrow("the call was cancelled by the caller");
    const cancelled = Object.assign(new PassThrough({ objectMode: true }), { cancelled: true });
    await expect(all(messagesOf<string>(cancelled))).rejects.toThrow("the call was cancelled by the caller");
  });

  it("can be left without ending the call", async () => {
    const call = new PassThrough({ objectMode: true });
    const messages = messagesOf<string>(call);
    call.write("a");
    for await (const one of messages) {
      expect(one).toBe("a");
      break;
    }
    expect(call.destroyed).toBe(false);
    expect(call.writable).toBe(true);
  });
});

describe("writing a message", () => {
  it("waits while the caller reads slowly", async () => {
    let release = () => {};
    const call = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write(_message, _encoding, done) {
        release = done;
      },
    });
    let written = false;
    const writing = writeMessage(call, "a", never).then((result) => {
      written = true;
      return result;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBe(false);
    release();
    expect(await writing).toBe(true);
  });

  it("gives up when the caller leaves, and does not write to one who has left", async () => {
    const written: unknown[] = [];
    const call = new Writable({ objectMode: true, highWaterMark: 1, write: (message) => void written.push(message) });
    const leaving = new AbortController();
    const writing = writeMessage(call, "a", leaving.signal);
    leaving.abort();
    expect(await writing).toBe(false);
    expect(await writeMessage(call, "b", leaving.signal)).toBe(false);
    expect(written).toEqual(["a"]);
    expect(call.listenerCount("drain")).toBe(0);
  });
});
