import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { RawConnection } from "../../../../support/http-call.ts";
import { startHttpWire } from "../../../../support/wires.ts";
import { getState } from "./scripted-methods.ts";

describe("a caller who leaves", () => {
  it("aborts the method's signal", async () => {
    const { promise, resolve } = Promise.withResolvers<AbortSignal>();
    const wire = await startHttpWire({
      methods: [
        getState((_, request) => {
          resolve(request.signal);
          return new Promise(() => {});
        }),
      ],
    });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    const signal = await promise;
    expect(signal.aborted).toBe(false);
    raw.destroy();
    await once(signal, "abort");
  });

  it("is not one who has been answered", async () => {
    let signal: AbortSignal | undefined;
    const wire = await startHttpWire({
      methods: [
        getState((_, request) => {
          signal = request.signal;
          return { etag: "1" };
        }),
      ],
    });
    expect((await wire.call({ path: "/v1.0/state/s/k" })).status).toBe(200);
    await wire.close();
    expect(signal?.aborted).toBe(false);
  });

  it("takes the answer's stream with it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* endless() {
      try {
        for (;;) {
          yield Buffer.alloc(65_536);
          await new Promise((turn) => setImmediate(turn));
        }
      } finally {
        resolve();
      }
    }
    const wire = await startHttpWire({
      methods: [getState(() => ({}), { output: () => ({ status: 200, body: endless() }) })],
    });
    const raw = new RawConnection(wire.port);
    raw.write("GET /v1.0/state/s/k HTTP/1.1\r\nhost: a\r\n\r\n");
    await raw.until("200");
    raw.destroy();
    await promise;
  });
});
