import { type ClientHttp2Session, connect } from "node:http2";
import { exchangeOverHttp2 } from "../kernel/http2-exchange.ts";
import type { HttpServerTarget } from "./http.ts";

const windowBytes = 1024 * 1024;

/**
 * Opens a target that speaks HTTP/2 in clear text from the first byte. One connection, made when it is needed; `onLost` is
 * called when the server closes or refuses it.
 */
export function openH2cTarget(authority: string, onLost: () => void): HttpServerTarget {
  let current: ClientHttp2Session | undefined;
  let closed = false;
  const session = (): ClientHttp2Session => {
    if (current && !current.closed && !current.destroyed) return current;
    const opened = connect(`http://${authority}`, { settings: { enablePush: false, initialWindowSize: windowBytes } });
    opened.once("connect", () => opened.setLocalWindowSize(windowBytes * 4));
    // Every stream of the session hears of it too; that is where the failure is answered.
    opened.on("error", () => {});
    opened.once("close", () => {
      if (!closed) onLost();
    });
    current = opened;
    return opened;
  };
  return {
    send: (exchange) => exchangeOverHttp2((headers, options) => session().request(headers, options), exchange),
    close() {
      closed = true;
      current?.destroy(new Error("the channel to the app is closed"));
    },
  };
}
