/** Bytes that are no HTTP, or HTTP that lies about itself. Answered by a refusal or by the end of the connection. */

const post = (headers: string, body = "") => `POST /v1.0/state/store HTTP/1.1\r\nhost: a\r\n${headers}\r\n${body}`;
const get = (line: string, headers = "host: a\r\n") => `${line}\r\n${headers}\r\n`;

export const brokenHttp1: Readonly<Record<string, string | Uint8Array>> = {
  "a greeting in TLS": Buffer.from("16030100c8010000c40303", "hex"),
  "a greeting in SOCKS": Buffer.from([5, 1, 0]),
  "a greeting in SSH": "SSH-2.0-x\r\n",
  noise: Buffer.from(Array.from({ length: 200 }, (_, i) => (i * 37) % 256)),
  zeros: Buffer.alloc(100),
  "HTTP/0.9": "GET /\r\n\r\n",
  "an unknown version": get("GET / HTTP/3.7"),
  "no version": get("GET /"),
  "an unknown verb": get("FLY / HTTP/1.1"),
  "a verb in lower case": get("get / HTTP/1.1"),
  "a space in the path": get("GET /a b HTTP/1.1"),
  "a tab in the path": get("GET /a\tb HTTP/1.1"),
  "a zero byte in the path": get("GET /a\0b HTTP/1.1"),
  "a path that is not ASCII": get("GET /\xff\xfe HTTP/1.1"),
  "no host": get("GET / HTTP/1.1", ""),
  "a header without colon": get("GET / HTTP/1.1", "host a\r\n"),
  "a header without name": get("GET / HTTP/1.1", "host: a\r\n: x\r\n"),
  "a space before the colon": get("GET / HTTP/1.1", "host : a\r\n"),
  "a zero byte in a header": get("GET / HTTP/1.1", "host: a\r\nx: a\0b\r\n"),
  "a bare carriage return in a header": get("GET / HTTP/1.1", "host: a\r\nx: a\rb\r\n"),
  "a folded header": get("GET / HTTP/1.1", "host: a\r\nx: a\r\n b\r\n"),
  "a header over the limit": get("GET / HTTP/1.1", `host: a\r\nx: ${"y".repeat(8000)}\r\n`),
  "too many headers": get(
    "GET / HTTP/1.1",
    `host: a\r\n${Array.from({ length: 3000 }, (_, i) => `h${i}: 1\r\n`).join("")}`,
  ),
  "a path over the limit": get(`GET /${"p".repeat(8000)} HTTP/1.1`),
  "a length that is no number": post("content-length: many\r\n", "x"),
  "a length below zero": post("content-length: -1\r\n", "x"),
  "a length in hex": post("content-length: 0x10\r\n", "x"),
  "half a length": post("content-length: 1.5\r\n", "x"),
  "a length that no number holds": post(`content-length: ${"9".repeat(30)}\r\n`, "x"),
  "two lengths": post("content-length: 1\r\ncontent-length: 2\r\n", "xy"),
  "a list of lengths": post("content-length: 1, 2\r\n", "xy"),
  "a length and chunks": post("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
  "chunks that are not last": post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
  "an unknown transfer encoding": post("transfer-encoding: cow\r\n", "x"),
  "a chunk size that is no number": post("transfer-encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"),
  "a chunk size that no number holds": post("transfer-encoding: chunked\r\n", `${"f".repeat(20)}\r\nabc`),
  "a chunk longer than it says": post("transfer-encoding: chunked\r\n", "2\r\nabcdef\r\n0\r\n\r\n"),
  "a chunk without line end": post("transfer-encoding: chunked\r\n", "3\r\nabc0\r\n\r\n"),
  "a chunk extension without end": post("transfer-encoding: chunked\r\n", `3;${"e".repeat(20_000)}`),
  "an expectation that nobody meets": post("expect: 200-maybe\r\ncontent-length: 1\r\n", "x"),
  CONNECT: get("CONNECT a:443 HTTP/1.1"),
  "the preface of HTTP/2 in the middle": `${get("GET /v1.0/healthz HTTP/1.1")}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
  "a request and then noise": `${get("GET /v1.0/healthz HTTP/1.1")}\xff\xfe\xfd\r\n\r\n`,
};

/** Beginnings of requests whose sender then leaves. */
export const abandoned: Readonly<Record<string, string>> = {
  nothing: "",
  "half a line": "GET /v1.0/he",
  "half the headers": "GET /v1.0/healthz HTTP/1.1\r\nhost: a\r\nx: ",
  "half a body": post("content-length: 100\r\n", "[{"),
  "half a chunk": post("transfer-encoding: chunked\r\n", "10\r\n[{"),
  "a streamed body":
    "PUT /v1.0-alpha1/crypto/keys/encrypt HTTP/1.1\r\nhost: a\r\ndapr-key-name: aes\r\ndapr-key-wrap-algorithm: AES\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
  "a body for an app":
    "POST /v1.0/invoke/app/method/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
};

export const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** One HTTP/2 frame: length, type, flags, stream. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const literal = (name: string, value: string) =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
const headers = (...pairs: readonly (readonly [string, string])[]) =>
  Buffer.concat(pairs.map(([name, value]) => literal(name, value)));
const [data, head, priority, reset, settings, push, ping, goaway, update, continuation] = Array.from(
  { length: 10 },
  (_, i) => i,
) as [number, number, number, number, number, number, number, number, number, number];
const endHeaders = 4;
const endBoth = 5;
const fine = headers([":method", "GET"], [":path", "/v1.0/healthz"], [":scheme", "http"], [":authority", "a"]);
const four = Buffer.alloc(4);

/** Frames after preface and settings that break the protocol. */
export const brokenHttp2: Readonly<Record<string, Uint8Array>> = {
  "data without a stream": frame(data, 1, 0, four),
  "data of a stream that was never opened": frame(data, 1, 1, four),
  "headers without a stream": frame(head, endBoth, 0, fine),
  "headers of an even stream": frame(head, endBoth, 2, fine),
  "headers that are no HPACK": frame(head, endBoth, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff])),
  "a header index that nobody knows": frame(head, endBoth, 1, Buffer.from([0xbf, 0x80, 0x40])),
  "a Huffman text that is none": frame(head, endBoth, 1, Buffer.from([0, 0x83, 0xff, 0xff, 0xff, 0])),
  "headers cut off": frame(head, endBoth, 1, fine.subarray(0, 10)),
  "headers whose padding is longer than they": frame(head, endBoth | 8, 1, Buffer.concat([Buffer.from([255]), fine])),
  "no path": frame(head, endBoth, 1, headers([":method", "GET"], [":scheme", "http"])),
  "two paths": frame(head, endBoth, 1, Buffer.concat([fine, literal(":path", "/x")])),
  "an empty path": frame(head, endBoth, 1, headers([":method", "GET"], [":path", ""], [":scheme", "http"])),
  "a pseudo header that nobody knows": frame(head, endBoth, 1, Buffer.concat([fine, literal(":x", "1")])),
  "a pseudo header after another": frame(head, endBoth, 1, Buffer.concat([headers(["a", "b"]), fine])),
  "a name in upper case": frame(head, endBoth, 1, Buffer.concat([fine, literal("Upper", "1")])),
  "a header of the connection": frame(head, endBoth, 1, Buffer.concat([fine, literal("connection", "close")])),
  "te that is not trailers": frame(head, endBoth, 1, Buffer.concat([fine, literal("te", "gzip")])),
  "a line break in a value": frame(head, endBoth, 1, Buffer.concat([fine, literal("x", "a\r\nb")])),
  "more body than its length says": Buffer.concat([
    frame(
      head,
      endHeaders,
      1,
      Buffer.concat([
        headers([":method", "PUT"], [":path", "/v1.0/metadata/a"], [":scheme", "http"]),
        literal("content-length", "1"),
      ]),
    ),
    frame(data, 1, 1, four),
  ]),
  "less body than its length says": Buffer.concat([
    frame(
      head,
      endHeaders,
      1,
      Buffer.concat([
        headers([":method", "PUT"], [":path", "/v1.0/metadata/a"], [":scheme", "http"]),
        literal("content-length", "9"),
      ]),
    ),
    frame(data, 1, 1, four),
  ]),
  "headers on a stream that has ended": Buffer.concat([frame(head, endBoth, 1, fine), frame(head, endBoth, 1, fine)]),
  "a stream number that goes back": Buffer.concat([frame(head, endBoth, 5, fine), frame(head, endBoth, 3, fine)]),
  "another frame between headers": Buffer.concat([
    frame(head, 1, 1, fine.subarray(0, 10)),
    frame(ping, 0, 0, Buffer.alloc(8)),
  ]),
  "a continuation of nothing": frame(continuation, endHeaders, 1, fine),
  "continuations without end": Buffer.concat([
    frame(head, 1, 1, fine),
    ...Array.from({ length: 300 }, () => frame(continuation, 0, 1, headers(["x", "y"]))),
  ]),
  "a promise by a client": frame(push, endHeaders, 1, Buffer.concat([four, fine])),
  "a reset of a stream that was never opened": frame(reset, 0, 1, four),
  "a reset of the connection": frame(reset, 0, 0, four),
  "settings of another length": frame(settings, 0, 0, Buffer.alloc(5)),
  "settings of a stream": frame(settings, 0, 1, Buffer.alloc(6)),
  "an acknowledgement that says something": frame(settings, 1, 0, Buffer.alloc(6)),
  "a frame size that is not allowed": frame(settings, 0, 0, Buffer.from([0, 5, 0, 0, 0, 1])),
  "a window that is too large": frame(settings, 0, 0, Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff])),
  "a ping of another length": frame(ping, 0, 0, Buffer.alloc(7)),
  "a ping of a stream": frame(ping, 0, 1, Buffer.alloc(8)),
  "a priority of another length": frame(priority, 0, 1, four),
  "a window that grows by nothing": frame(update, 0, 0, four),
  "a window that overflows": frame(update, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
  "a farewell cut off": frame(goaway, 0, 0, four),
  "a farewell of a stream": frame(goaway, 0, 1, Buffer.alloc(8)),
  "a frame that is too long": frame(data, 0, 1, Buffer.alloc(20_000)),
  "a frame shorter than it says": frame(data, 0, 1, four, 16_000),
  "HTTP/1.1": Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  noise: Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 89) % 256)),
};
