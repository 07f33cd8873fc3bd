import type { IClientOptions } from "mqtt";
import { fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { type Address, toText } from "./address.ts";
import { type Arrival, Connection } from "./connection.ts";
import { Link, type LinkOptions } from "./link.ts";

export interface ConnectionOptions {
  readonly address: Address;
  readonly isFive: boolean;
  /** PEM; empty: none. */
  readonly caCert: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** What connections differ in that lead to the same broker. */
export interface Purpose extends Pick<LinkOptions, "connected" | "lost"> {
  readonly clientId: string;
  /** The broker forgets the client when the connection ends. */
  readonly isClean: boolean;
  arrived?(connection: Connection, message: Arrival): void;
}

const silenceMs = 10_000;
const keepAliveSeconds = 30;
/** Most messages that the broker sends ahead of acknowledgements; with 3.1.1 it decides that alone. */
const receiveMaximum = 512;
const neverSeconds = 2 ** 32 - 1;

/** Loads the library and makes links, which `Link.open` connects. Rejects with `openFailed` for wrong settings. */
export async function linkMaker(options: ConnectionOptions, context: OpenContext): Promise<(purpose: Purpose) => Link> {
  check(options);
  const { connect } = await import("mqtt");
  const { address, isFive, caCert, clientCert, clientKey } = options;
  const { protocol, host, port, path, username, password } = address;
  const isWeb = protocol === "ws" || protocol === "wss";
  return ({ clientId, isClean, arrived = () => {}, ...events }) => {
    const settings: IClientOptions = {
      protocol,
      host,
      port,
      ...(isWeb ? { path } : {}),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(caCert === "" ? {} : { ca: caCert }),
      ...(clientCert === "" ? {} : { cert: clientCert, key: clientKey }),
      clientId,
      clean: isClean,
      keepalive: keepAliveSeconds,
      connectTimeout: silenceMs,
      protocolVersion: isFive ? 5 : 4,
      ...(isFive ? { properties: { receiveMaximum, sessionExpiryInterval: isClean ? 0 : neverSeconds } } : {}),
    };
    return new Link({
      ...events,
      connect: (signal) => Connection.open({ connect, options: settings, arrived }, signal),
      about: { broker: toText(address), username, clientId, isFive },
      clock: context.clock,
      log: context.log,
    });
  };
}

function check({ address, caCert, clientCert, clientKey }: ConnectionOptions): void {
  const wrong = (why: string) => fail("openFailed", { why });
  if ((clientCert === "") !== (clientKey === "")) {
    throw wrong("clientCert, clientKey: give both or neither; a certificate is of no use without its key");
  }
  const isPlain = address.protocol === "mqtt" || address.protocol === "ws";
  if (isPlain && (caCert !== "" || clientCert !== "")) {
    throw wrong("url: certificates need TLS; begin url with ssl, or leave caCert and clientCert out");
  }
  if (address.password !== undefined && address.username === undefined) {
    throw wrong("url: a password needs a user; write it as tcp://user:password@host:1883");
  }
}
