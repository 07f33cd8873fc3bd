import { fail } from "../../specs/errors.ts";

const protocols = {
  tcp: "mqtt",
  mqtt: "mqtt",
  ssl: "mqtts",
  tls: "mqtts",
  tcps: "mqtts",
  mqtts: "mqtts",
  ws: "ws",
  wss: "wss",
} as const;
const standardPort = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const;

/** Where a broker is, and who asks. */
export interface Address {
  readonly protocol: (typeof protocols)[keyof typeof protocols];
  readonly host: string;
  readonly port: number;
  /** Of a web socket. */
  readonly path: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Reads `tcp://user:password@host:1883`, or `ssl`, `ws`, `wss`. Throws `openFailed`. */
export function parseUrl(text: string): Address {
  const wrong = (what: string) =>
    fail("openFailed", { why: `url: ${what}; write it as tcp://user:password@host:1883` });
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw wrong("is no address");
  }
  const scheme = url.protocol.slice(0, -1).toLowerCase();
  const protocol = Object.hasOwn(protocols, scheme) ? protocols[scheme as keyof typeof protocols] : undefined;
  if (!protocol) throw wrong(`begins with ${scheme}, not with tcp, ssl, ws or wss`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (host === "") throw wrong("names no host");
  try {
    return {
      protocol,
      host,
      port: Number(url.port) || standardPort[protocol],
      path: `${url.pathname}${url.search}`,
      username: url.username === "" ? undefined : decodeURIComponent(url.username),
      password: url.password === "" ? undefined : decodeURIComponent(url.password),
    };
  } catch {
    throw wrong("holds a % that encodes nothing (%25 stands for %)");
  }
}

/** For people; without secrets. */
export const toText = ({ host, port }: Address) => `${host.includes(":") ? `[${host}]` : host}:${port}`;
