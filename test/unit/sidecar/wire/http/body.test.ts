import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readBody } from "../../../../../sidecar/kernel/body.ts";
import type { HttpShape } from "../../../../../sidecar/kernel/method.ts";
import { RawConnection } from "../../../../support/http-call.ts";
import { startHttpWire } from "../../../../support/wires.ts";
import { mirror, type SaveState } from "./scripted-methods.ts";

describe("bodies", () => {
  it("over the limit are refused, and the connection goes on", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"])], maxBodyBytes: 10 });
    const raw = new RawConnection(wire.port);
    raw.write(`POST /v1.0/x HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n${"a".repeat(11)}`);
    expect(await raw.until("--max-body-size")).toMatch(/^HTTP\/1.1 400 .*ERR_BODY_READ.*larger than 10 bytes/s);
    raw.write(
      `POST /v1.0/x HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n6\r\naaaaaa\r\n5\r\naaaaa\r\n0\r\n\r\n`,
    );
    await raw.until(/max-body-size.*max-body-size/s);
    raw.write(`POST /v1.0/x HTTP/1.1\r\nhost: c\r\nconnection: close\r\ncontent-length: 10\r\n\r\n${"b".repeat(10)}`);
    const text = await raw.closed();
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 400", "HTTP/1.1 400", "HTTP/1.1 200"]);
    expect(text).toContain("b".repeat(10));
  });

  it("that break off do not run the method", async () => {
    let ran = 0;
    const wire = await startHttpWire({
      methods: [mirror(["/v1.0/x"], { input: () => ({ storeName: String(ran++) }) })],
    });
    const raw = new RawConnection(wire.port);
    raw.write("POST /v1.0/x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    await once(raw.socket, "connect");
    raw.socket.end();
    await raw.closed();
    expect((await wire.call({ verb: "POST", path: "/v1.0/x", body: "abc" })).status).toBe(200);
    expect(ran).toBe(1);
  });

  it("are not read before the method where the shape streams", async () => {
    const parts: string[] = [];
    const shape: Partial<HttpShape<SaveState>> = {
      streams: true,
      input: (http) => {
        void (async () => {
          for await (const chunk of http.stream ?? []) parts.push(Buffer.from(chunk).toString());
        })();
        return {};
      },
      output: () => ({ status: 204 }),
    };
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"], shape)] });
    const raw = new RawConnection(wire.port);
    raw.write("PUT /v1.0/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    expect(await raw.until("204")).toContain("204");
    raw.write("3\r\ndef\r\n0\r\n\r\n");
    raw.write("PUT /v1.0/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    await raw.closed();
    expect(parts.join("")).toBe("abcdef");
  });
});

describe("100-continue", () => {
  it("is answered before the body comes", async () => {
    const wire = await startHttpWire({ methods: [mirror(["/v1.0/x"])] });
    const outgoing = httpRequest({
      port: wire.port,
      host: "127.0.0.1",
      method: "POST",
      path: "/v1.0/x",
      agent: false,
      headers: { expect: "100-continue", "content-length": "2" },
    });
    outgoing.flushHeaders();
    await once(outgoing, "continue");
    outgoing.end("hi");
    const [response] = (await once(outgoing, "response")) as [Readable];
    expect(JSON.parse(Buffer.from(await readBody(response)).toString())).toMatchObject({ body: "hi" });
  });
});
