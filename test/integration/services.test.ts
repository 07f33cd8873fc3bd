import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { serviceNames } from "../../scripts/services/support/start-service.ts";
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
  });
}
