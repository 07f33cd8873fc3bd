import { rm } from "node:fs/promises";
import type { Server } from "node:http";
import { type AddressInfo, createServer, type Server as NetServer } from "node:net";
import { fail } from "../../../specs/errors.ts";

/** Where to listen: a TCP port (0: a free one) or a Unix socket. */
export type Place = { readonly host: string | undefined; readonly port: number } | { readonly socket: string };

export interface Listening {
  /** The TCP port; undefined on a Unix socket. */
  readonly port: number | undefined;
  /** Takes no more connections and settles when those in use have ended. */
  close(): Promise<void>;
}

/** Listens at every place; a port of 0 is chosen once and used at all of them. */
export async function listen(server: Server, places: readonly Place[], closeServer: () => Promise<void>): Promise<Listening> {
  const extra: NetServer[] = [];
  let port: number | undefined;
  try {
    for (const [index, place] of places.entries()) {
      // Further places hand their connections to the one server.
      const listener = index === 0 ? server : createServer({ noDelay: true }, (socket) => server.emit("connection", socket));
      if (index > 0) extra.push(listener as NetServer);
      await bind(listener, "socket" in place ? place : { ...place, port: place.port || (port ?? 0) });
      if (!("socket" in place)) port ??= (listener.address() as AddressInfo).port;
    }
  } catch (error) {
    for (const one of extra) one.close();
    await closeServer();
    throw error;
  }
  return {
    port,
    async close() {
      for (const one of extra) one.close();
      await closeServer();
    },
  };
}

async function bind(listener: NetServer, place: Place): Promise<void> {
  if ("socket" in place) await rm(place.socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", (error: NodeJS.ErrnoException) => reject(fail("openFailed", { why: explain(place, error) }, { cause: error })));
    const done = () => resolve();
    if ("socket" in place) listener.listen(place.socket, done);
    else listener.listen({ port: place.port, ...(place.host ? { host: place.host } : {}) }, done);
  });
}

function explain(place: Place, error: NodeJS.ErrnoException): string {
  const where = "socket" in place ? place.socket : `${place.host ?? "*"}:${place.port}`;
  if (error.code === "EADDRINUSE") return `cannot listen on ${where}: it is in use; choose another port or end the process that holds it`;
  return `cannot listen on ${where}: ${error.message}`;
}
