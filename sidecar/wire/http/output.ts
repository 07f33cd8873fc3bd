import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { passBody } from "../../kernel/body.ts";
import type { Answer } from "../../kernel/exchange.ts";
import type { HttpOutput } from "../../kernel/method.ts";

/** Writes the answer of a method; resolves with the bytes of its body when it is handed over, for a stream when it has ended. */
export async function writeOutput(
  response: ServerResponse,
  output: HttpOutput,
  extra: Readonly<Record<string, string>> | undefined,
): Promise<number> {
  const { status, body } = output;
  const { headers, ascii } = sendable(output.headers, extra);
  if (body === undefined) {
    response.writeHead(status, headers);
    response.end();
    return 0;
  }
  headers["content-type"] ??= "application/json";
  if (typeof body === "string" || body instanceof Uint8Array) {
    const length = Buffer.byteLength(body);
    headers["content-length"] = length;
    response.writeHead(status, headers);
    // Node sends a text and the headers before it as one text in UTF-8, which would encode their bytes once more.
    response.end(ascii ? body : Buffer.from(body as string));
    return length;
  }
  return writeStream(response, status, headers, body);
}

const headerName = /^[\w!#$%&'*+.^`|~-]+$/;
const notPlain = /[^\t\x20-\x7e]/;

/**
 * Headers that may be sent. Some carry what a backend said: a name that is none is left out, line breaks become spaces,
 * and text beyond ASCII goes as its bytes in UTF-8.
 */
function sendable(...parts: readonly (Readonly<Record<string, string>> | undefined)[]) {
  const headers: Record<string, string | number> = {};
  let ascii = true;
  for (const part of parts) {
    for (const name in part) {
      const value = part[name] as string;
      if (!headerName.test(name)) continue;
      const plain = !notPlain.test(value);
      ascii &&= plain;
      headers[name] = plain ? value : toHeaderBytes(value);
    }
  }
  return { headers, ascii };
}

const toHeaderBytes = (value: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be sent
  Buffer.from(value.replace(/[\x00-\x1f\x7f]/g, " "), "utf8").toString("latin1");

/** The first chunk decides between an answer and an error, so nothing is sent before it is there. */
async function writeStream(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | number>,
  body: AsyncIterable<Uint8Array>,
): Promise<number> {
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  response.writeHead(status, headers);
  if (first.done) {
    response.end();
    return 0;
  }
  let bytes = 0;
  const counted = (chunk: Uint8Array): Uint8Array => {
    bytes += chunk.byteLength;
    return chunk;
  };
  async function* all() {
    yield counted(first.value as Uint8Array);
    for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) yield counted(chunk);
  }
  await pipeline(Readable.from(all(), { objectMode: false }), response);
  return bytes;
}

/** Writes the answer of an app or a peer as it arrives, trailers included; resolves with the bytes of its body. */
export async function writeAnswer(response: ServerResponse, answer: Answer): Promise<number> {
  response.writeHead(answer.status, answer.headers);
  // Headers must not wait for the first byte of a slow body; a fast one takes them along.
  setImmediate(() => {
    if (!response.destroyed && !response.writableEnded) response.flushHeaders();
  });
  const bytes = await passBody(answer.body, response);
  const trailers = answer.trailers?.();
  if (trailers && Object.keys(trailers).length > 0) {
    response.addTrailers(
      Object.entries(trailers).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one])),
    );
  }
  response.end();
  return bytes;
}
