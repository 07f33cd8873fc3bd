import { PassThrough, Readable, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { asStream, passBody, pourBody, readBody, readShort, takeWhole } from "../../../../sidecar/kernel/body.ts";
import { standstill } from "../../../support/standstill.ts";

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();
const parts = (...texts: string[]) =>
  Readable.from(
    texts.map((one) => Buffer.from(one)),
    { objectMode: false },
  );
const sink = () => {
  const taken: string[] = [];
  const into = new Writable({
    write(chunk, _encoding, done) {
      taken.push(String(chunk));
      done();
    },
  });
  return { into, taken };
};
/** A body that is never short of more. */
const endless = () => {
  const counter = { given: 0 };
  const body = new Readable({
    read() {
      counter.given++;
      this.push(Buffer.alloc(16 * 1024));
    },
  });
  return { body, counter };
};

describe("reading a whole body", () => {
  it("takes streams, bytes and nothing", async () => {
    expect(text(await readBody(parts("a", "b", "c")))).toBe("abc");
    expect(text(await readBody(Buffer.from("abc")))).toBe("abc");
    expect((await readBody(undefined)).byteLength).toBe(0);
    expect((await readBody(asStream(undefined))).byteLength).toBe(0);
  });

  it("refuses one that is too long, and stops reading it", async () => {
    const { body, counter } = endless();
    await expect(readBody(body, 100_000)).rejects.toThrow("larger than 100000 bytes (--max-body-size)");
    const given = await standstill(() => counter.given);
    expect(given).toBeLessThan(20);
  });

  it("refuses one that breaks off, now or before", async () => {
    const body = new PassThrough();
    body.write("half");
    const reading = readBody(body);
    body.destroy();
    await expect(reading).rejects.toThrow("broke off");
    await expect(readBody(body)).rejects.toThrow("broke off");
    const failed = new PassThrough();
    failed.on("error", () => {});
    failed.destroy(new Error("gone"));
    await expect(readBody(failed)).rejects.toThrow("gone");
  });
});

describe("reading a short body", () => {
  it("gives it when it is short", async () => {
    expect(text(await readShort(parts("ab", "c"), 3))).toBe("abc");
  });

  it("leaves a longer one as it was", async () => {
    const body = parts("ab", "cd", "ef");
    expect(await readShort(body, 3)).toBeUndefined();
    expect(text(await readBody(body))).toBe("abcdef");
  });

  it("refuses one that breaks off", async () => {
    const body = new PassThrough();
    const reading = readShort(body, 3);
    body.destroy(new Error("gone"));
    await expect(reading).rejects.toThrow("gone");
    await expect(readShort(body, 3)).rejects.toThrow("gone");
  });
});

describe("taking a whole body", () => {
  it("takes it when all of it is there, and lets it end", async () => {
    const body = asStream(Buffer.from("abc"));
    const ended = new Promise((resolve) => body.once("close", resolve));
    expect(text(takeWhole(body, { "content-length": "3" }))).toBe("abc");
    await ended;
  });

  it("takes nothing while something is missing or the length is unknown", () => {
    const body = new PassThrough();
    body.write("ab");
    expect(takeWhole(body, { "content-length": "3" })).toBeUndefined();
    expect(takeWhole(body, {})).toBeUndefined();
    expect(takeWhole(asStream(undefined), { "content-length": "0" })).toBeUndefined();
    expect(body.readableLength).toBe(2);
  });
});

describe("pouring a request's body", () => {
  it("ends what it is poured into", async () => {
    const { into, taken } = sink();
    pourBody(parts("a", "b"), into, () => {});
    await new Promise((resolve) => into.once("finish", resolve));
    expect(taken.join("")).toBe("ab");
  });

  it("tells when the body breaks off", async () => {
    const body = new PassThrough();
    const broken = new Promise<Error>((resolve) => pourBody(body, sink().into, resolve));
    body.destroy();
    expect((await broken).message).toContain("broke off");
    const late = new Promise<Error>((resolve) => pourBody(body, sink().into, resolve));
    expect((await late).message).toContain("broke off");
  });

  it("throws the rest away when nobody wants it any more", async () => {
    const { into } = sink();
    const body = parts(...Array.from({ length: 100 }, () => "x".repeat(10_000)));
    const ended = new Promise((resolve) => body.once("end", resolve));
    pourBody(body, into, () => {});
    into.destroy();
    await ended;
  });
});

describe("passing an answer's body on", () => {
  it("leaves the receiver open", async () => {
    const { into, taken } = sink();
    await passBody(parts("a", "b"), into);
    expect([taken.join(""), into.writableEnded, into.listenerCount("close")]).toEqual(["ab", false, 0]);
  });

  it("holds the body back while the receiver is full", async () => {
    const { body, counter } = endless();
    const full = new Writable({ write: () => {} });
    const passing = passBody(body, full);
    expect(await standstill(() => counter.given)).toBeLessThan(20);
    full.destroy();
    await expect(passing).rejects.toThrow("reader of the answer has left");
    expect(body.destroyed).toBe(true);
  });

  it("rejects when the body breaks off, with or without a reason, now or before", async () => {
    const body = new PassThrough();
    const passing = passBody(body, sink().into);
    body.destroy(new Error("gone"));
    await expect(passing).rejects.toThrow("gone");
    await expect(passBody(body, sink().into)).rejects.toThrow("gone");
    const silent = new PassThrough();
    const waiting = passBody(silent, sink().into);
    silent.destroy();
    await expect(waiting).rejects.toThrow("broke off");
  });

  it("destroys the body at once when the receiver is gone already", async () => {
    const { into } = sink();
    into.destroy();
    const body = parts("a");
    await expect(passBody(body, into)).rejects.toThrow("has left");
    expect(body.destroyed).toBe(true);
  });
});
