import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { drain } from "../../../../../sidecar/wire/http/drain.ts";
import { listen, type Place } from "../../../../../sidecar/wire/http/listen.ts";
import type { MechaError } from "../../../../../specs/errors.ts";
import { callHttp } from "../../../../support/http-call.ts";
import { startHttpServer } from "../../../../support/http-server.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

const open = (places: readonly Place[]) => {
  const server = createServer((request, response) => response.end(request.url));
  return listen(server, places, (listeners) => drain(server, listeners, undefined, 0));
};
const refusal = async (opening: Promise<unknown>): Promise<MechaError> =>
  opening.then(
    () => Promise.reject(new Error("it listens")),
    (error: MechaError) => error,
  );

describe("listening", () => {
  it("at several addresses takes one free port for all of them", async () => {
    const listening = await open([
      { host: "127.0.0.1", port: 0 },
      { host: "127.0.0.2", port: 0 },
      { host: "::1", port: 0 },
    ]);
    for (const host of ["127.0.0.1", "127.0.0.2", "[::1]"]) {
      expect(await (await fetch(`http://${host}:${listening.port}/a`)).text()).toBe("/a");
    }
    await listening.close();
    await expect(fetch(`http://127.0.0.2:${listening.port}/a`)).rejects.toThrow();
  });

  it("without a host is reached by both families", async () => {
    const listening = await open([{ host: undefined, port: 0 }]);
    expect((await fetch(`http://127.0.0.1:${listening.port}/a`)).status).toBe(200);
    expect((await fetch(`http://[::1]:${listening.port}/a`)).status).toBe(200);
    await listening.close();
  });

  it("on a Unix socket replaces a file that an earlier process left, and removes its own", async () => {
    const socket = join(tempFolder(), "api.socket");
    writeFileSync(socket, "");
    const listening = await open([{ socket }]);
    expect(listening.port).toBeUndefined();
    expect((await callHttp(socket, { path: "/a" })).text).toBe("/a");
    await listening.close();
    expect(existsSync(socket)).toBe(false);
  });

  it("on a port in use is refused in words that say what to do", async () => {
    const taken = Number(new URL(await startHttpServer(() => ({}))).port);
    const error = await refusal(open([{ host: "127.0.0.1", port: taken }]));
    expect(error.reason).toBe("openFailed");
    expect(error.message).toContain(`127.0.0.1:${taken}: it is in use; choose another port`);
  });

  it("that fails at one address gives up the others", async () => {
    const free = await open([{ host: "127.0.0.1", port: 0 }]);
    await free.close();
    const port = free.port as number;
    const error = await refusal(
      open([
        { host: "127.0.0.1", port },
        { host: "192.0.2.1", port },
      ]),
    );
    expect(error.message).toContain(`cannot listen on 192.0.2.1:${port}`);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it("in a folder that is not there names the socket", async () => {
    const socket = join(tempFolder(), "no", "such", "api.socket");
    expect((await refusal(open([{ socket }]))).message).toContain(`cannot listen on ${socket}`);
  });
});
