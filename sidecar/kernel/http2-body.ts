import { constants, type Http2Stream } from "node:http2";
import { Readable } from "node:stream";

/**
 * What arrives on an HTTP/2 stream. Node ends a stream that the other side has cut off as if it were complete; this one
 * breaks off with an error instead.
 */
export class Http2Body extends Readable {
  readonly #stream: Http2Stream & Readable;
  readonly #leave: () => void;

  /** `leave` is called when the reader destroys the body before its end. */
  constructor(stream: Http2Stream & Readable, leave: () => void) {
    super({ highWaterMark: 64 * 1024 });
    this.#stream = stream;
    this.#leave = leave;
    // A request may be reset with the code for "no error". An answer may be complete before its request is, which looks
    // the same from the client's side, so there the code alone decides.
    const isRequest = "respond" in stream;
    stream.on("data", (chunk: Uint8Array) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.once("end", () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || (isRequest && stream.aborted)) this.#cutOff();
      else this.push(null);
    });
    stream.once("error", (error) => this.destroy(error));
    stream.once("close", () => {
      if (!stream.readableEnded) this.#cutOff();
    });
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#stream.readableEnded) this.#leave();
    // Without a listener the error has nobody to go to: the reader left before it had looked.
    done(error && this.listenerCount("error") > 0 ? error : null);
  }

  #cutOff(): void {
    this.destroy(new Error(`the body was cut off with code ${this.#stream.rstCode}`));
  }
}
