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

/**
 * Listens at every place; a port of 0 is chosen once and used at all of them.
 * Rejects with `openFailed`, and then listens nowhere. `end` closes the listeners that were opened, the server among them.
 */
export async function listen(
  server: Server,
  places: readonly Place[],
  end: (listeners: readonly NetServer[]) => Promise<void>,
): Promise<Listening> {
  const listeners: NetServer[] = [server];
  let port: number | undefined;
  try {
    for (const [index, place] of places.entries()) {
      const listener = index === 0 ? server : further(server);
      if (index > 0) listeners.push(listener);
      await bind(listener, "socket" in place ? place : { ...place, port: place.port || (port ?? 0) });
      if (!("socket" in place)) port ??= (listener.address() as AddressInfo).port;
    }
  } catch (error) {
    await end(listeners);
    throw error;
  }
  return { port, close: () => end(listeners) };
}

/** A listener that hands its connections to the one server. */
const further = (server: Server): NetServer =>
  createServer({ noDelay: true }, (socket) => server.emit("connection", socket));

async function bind(listener: NetServer, place: Place): Promise<void> {
  if ("socket" in place) await rm(place.socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) =>
      reject(fail("openFailed", { why: explain(place, error) }, { cause: error }));
    const done = () => {
      listener.off("error", refuse);
      resolve();
    };
    listener.once("error", refuse);
    if ("socket" in place) listener.listen(place.socket, done);
    else listener.listen({ port: place.port, ...(place.host ? { host: place.host } : {}) }, done);
  });
}

function explain(place: Place, error: NodeJS.ErrnoException): string {
  const where = "socket" in place ? place.socket : `${place.host ?? "*"}:${place.port}`;
  if (error.code === "EADDRINUSE")
    return `cannot listen on ${where}: it is in use; choose another port or end the process that holds it`;
  return `cannot listen on ${where}: ${error.message}`;
}
