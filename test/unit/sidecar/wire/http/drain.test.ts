import { describe, expect, it } from "vitest";
import { RawConnection } from "../../../../support/http-call.ts";
import { startHttpWire } from "../../../../support/wires.ts";
import { getState } from "./scripted-methods.ts";

describe("closing", () => {
  it("waits for requests in flight and takes no new ones", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const wire = await startHttpWire({
      methods: [
        getState(async () => {
          start();
          await released;
          return { etag: "1" };
        }),
      ],
    });
    const reply = wire.call({ path: "/v1.0/state/s/k", headers: { connection: "keep-alive" } });
    await started;
    let closed = false;
    const closing = wire.close().then(() => {
      closed = true;
    });
    await new Promise((turn) => setImmediate(turn));
    await expect(wire.call({ path: "/v1.0/state/s/k" })).rejects.toThrow("ECONNREFUSED");
    expect(closed).toBe(false);
    release();
    expect((await reply).status).toBe(200);
    await closing;
  });

  it("ends connections that are idle, now or as soon as they are", async () => {
    const wire = await startHttpWire({ methods: [getState(() => ({ etag: "1" }))] });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    await raw.until("etag");
    await Promise.all([wire.close(), raw.closed()]);
  });

  it("tells a kept connection that it is the last answer", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const wire = await startHttpWire({
      methods: [
        getState(async () => {
          start();
          await released;
          return { etag: "1" };
        }),
      ],
    });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    await started;
    const closing = wire.close();
    release();
    await closing;
    expect(await raw.closed()).toContain("etag");
  });
});
