import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A way to a server that tests can disturb. */
export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Breaks all connections, as a network does: at once, whatever is under way. New ones come through. */
  cut(): void;
  /** Refuses connections, and breaks those there are; `false` lets them through again. */
  refuse(isRefused: boolean): void;
  /** Keeps connections open and lets nothing pass, in both directions; `false` lets what was kept pass. */
  hold(isHeld: boolean): void;
  /** How many connections have come through so far. */
  readonly connections: number;
}

/**
 * Starts a proxy to a port of this machine; it is gone when the test is.
 * @param port where it listens; default: anywhere
 */
export async function startTcpProxy(target: number, port = 0): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let [isRefused, isHeld, connections] = [false, false, 0];
  const join = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on("data", (chunk) => {
      if (!to.destroyed && !to.write(chunk)) from.pause();
    });
    to.on("drain", () => isHeld || from.resume());
    if (isHeld) from.pause();
  };
  const server = createServer((client) => {
    if (isRefused) {
      client.on("error", () => {}).destroy();
      return;
    }
    connections += 1;
    const upstream = connect(target, "127.0.0.1").setNoDelay(true);
    client.setNoDelay(true);
    join(client, upstream);
    join(upstream, client);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  onTestFinished(async () => {
    cut();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    cut,
    refuse(refused) {
      isRefused = refused;
      if (refused) cut();
    },
    hold(held) {
      isHeld = held;
      for (const socket of sockets)
        if (held) socket.pause();
        else socket.resume();
    },
    get connections() {
      return connections;
    },
  };
}
