import { connect } from "node:net";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { loadService, serviceNames, startService } from "../../scripts/services/support/start-service.ts";
import { requireService, startServer } from "../support/server.ts";

/** Resolves when the port takes a connection, rejects when it does not. */
const knock = (port: number) =>
  new Promise<void>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });

for (const name of serviceNames) {
  const isThere = await requireService(name);
  const further = Object.keys((await loadService(name)).variants).slice(1);
  describe.skipIf(!isThere)(name, () => {
    test("answers, and answers again on the same port after a crash and a restart", async () => {
      const server = await startServer(name, { own: true });
      await knock(server.port);
      await server.kill9();
      await expect(knock(server.port)).rejects.toThrow("ECONNREFUSED");
      await server.restart();
      await knock(server.port);
      await server.stop();
      await expect(knock(server.port)).rejects.toThrow("ECONNREFUSED");
    });

    test("is shared by all that ask for the same", async () => {
      const [one, other] = await Promise.all([startServer(name), startServer(name)]);
      expect(one).toBe(other);
    });

    test.skipIf(further.length === 0).each(further)("answers as %s", async (variant) => {
      const server = await startServer(name, { variant, own: true });
      await knock(server.port);
      await server.stop();
    });
  });
}

describe.skipIf(!(await requireService("redis")))("redis", () => {
  test("keeps what it has answered over a crash", async () => {
    const server = await startServer("redis", { own: true });
    const client = new Redis(server.port, { retryStrategy: () => 10, maxRetriesPerRequest: null });
    client.on("error", () => {});
    await client.set("key", "value");
    await server.kill9();
    await server.restart();
    expect(await client.get("key")).toBe("value");
    client.disconnect();
  });

  test("as a sentinel names the primary", async () => {
    const { port } = await startServer("redis", { variant: "sentinel" });
    const client = new Redis({ sentinels: [{ host: "127.0.0.1", port }], name: "mymaster" });
    expect(await client.role()).toMatchObject(["master", expect.any(Number), expect.any(Array)]);
    client.disconnect();
  });
});

test("an unknown service or variant is refused with the names there are", async () => {
  await expect(loadService("rediz")).rejects.toThrow(/there are .*redis/);
  await expect(startService(await loadService("redis"), "gold")).rejects.toThrow(/it has single, acl/);
});
