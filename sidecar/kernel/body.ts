import { Readable, type Writable } from "node:stream";
import { fail } from "../../specs/errors.ts";
import type { HeaderMap } from "./exchange.ts";
import { announcedLength } from "./headers.ts";
import { noteStreamed } from "./streamed.ts";

const empty: Uint8Array = new Uint8Array();

/**
 * The whole of a body.
 * Rejects with `bodyUnreadable` when it is longer than `maxBytes` or breaks off; what is left of it is then not read.
 */
export function readBody(
  body: Readable | Uint8Array | undefined,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  if (body === undefined) return Promise.resolve(empty);
  if (body instanceof Uint8Array) return Promise.resolve(body);
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const refuse = (why: string, cause?: unknown) => {
      body.off("data", onData);
      body.pause();
      reject(fail("bodyUnreadable", { why }, { cause }));
    };
    const onData = (chunk: Uint8Array) => {
      size += chunk.byteLength;
      if (size > maxBytes) return refuse(`it is larger than ${maxBytes} bytes (--max-body-size)`);
      chunks.push(chunk);
    };
    if (body.destroyed) return refuse(body.errored?.message ?? "it broke off", body.errored);
    body.on("data", onData);
    body.once("end", () => resolve(chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)));
    body.once("error", (error) => refuse(error.message, error));
    body.once("close", () => {
      if (!body.readableEnded) refuse("it broke off");
    });
    // It may have been paused by who looked at it before.
    body.resume();
  });
}

/** The whole of a body that is no longer than `maxBytes`; else undefined, and the body is as if it had not been read. */
export function readShort(body: Readable, maxBytes: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const stop = () => {
      body.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
    };
    const onData = (chunk: Uint8Array) => {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size <= maxBytes) return;
      stop();
      body.pause();
      body.unshift(Buffer.concat(chunks));
      resolve(undefined);
    };
    const onEnd = () => {
      stop();
      resolve(Buffer.concat(chunks));
    };
    const onError = (error: Error) => {
      stop();
      reject(fail("bodyUnreadable", { why: error.message }, { cause: error }));
    };
    const onClose = () => onError(body.errored ?? new Error("it broke off"));
    if (body.destroyed) {
      onClose();
      return;
    }
    body.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose).resume();
  });
}

/** A body that is all there. */
export function asStream(bytes: Uint8Array | undefined): Readable {
  const body = new Readable({ read() {} });
  if (bytes?.byteLength) body.push(bytes);
  body.push(null);
  return body;
}

/**
 * What a body of announced length holds when all of it has arrived, which small ones mostly have; nothing of it is left to
 * read then. Undefined: it must be read as it comes.
 */
export function takeWhole(body: Readable, headers: HeaderMap): Uint8Array | undefined {
  const length = announcedLength(headers);
  if (!length || body.readableLength !== length || body.destroyed) return undefined;
  const whole = body.read(length) as Uint8Array | null;
  // Lets it end, and with it whatever waits for that.
  body.resume();
  return whole ?? undefined;
}

/**
 * Pipes a body into a request. When the body breaks off, `onBroken` is called. When the request ends first, the rest of the
 * body is read and thrown away, because destroying it would cut the connection on which its sender waits for the answer.
 */
export function pourBody(body: Readable, into: Writable, onBroken: (error: Error) => void): void {
  const brokeOff = () => onBroken(new Error("the request body broke off"));
  if (body.destroyed) {
    brokeOff();
    return;
  }
  body.once("error", onBroken);
  body.once("close", () => {
    if (!body.readableEnded) brokeOff();
  });
  into.once("close", () => {
    body.unpipe(into);
    if (!body.readableEnded && !body.destroyed) body.resume();
  });
  body.on("data", note);
  body.pipe(into);
}

const note = (chunk: Uint8Array): void => noteStreamed(chunk.byteLength);

/**
 * Pipes an answer's body to whoever waits for it and leaves `into` open behind it; resolves with its length in bytes.
 * Rejects when the body breaks off, and when `into` is closed first, which destroys the body. Does what stream.pipeline
 * does at a fraction of its cost.
 */
export function passBody(body: Readable, into: Writable): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const settle = (error?: Error) => {
      into.off("close", left);
      if (error) reject(error);
      else resolve(bytes);
    };
    const left = () => {
      body.destroy();
      settle(new Error("the reader of the answer has left"));
    };
    if (body.destroyed) {
      settle(body.errored ?? new Error("the answer broke off"));
      return;
    }
    if (into.destroyed) {
      left();
      return;
    }
    into.once("close", left);
    body.once("end", () => settle());
    body.once("error", settle);
    body.once("close", () => {
      if (!body.readableEnded) settle(body.errored ?? new Error("the answer broke off"));
    });
    body.on("data", (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
      noteStreamed(chunk.byteLength);
    });
    body.pipe(into, { end: false });
  });
}
