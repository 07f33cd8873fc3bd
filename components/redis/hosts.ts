import { fail } from "../../specs/errors.ts";

/** Where something listens. */
export interface Host {
  readonly host: string;
  readonly port: number;
}

const standardPort = 6379;

/**
 * Reads redisHost: `host`, `host:port` or `[ipv6]:port`, several separated by commas.
 * @param redisPort for those that name no port
 * Throws `openFailed` for anything else.
 */
export function parseHosts(redisHost: string, redisPort: string | undefined): readonly [Host, ...Host[]] {
  const fallback = redisPort?.trim() ? toPort("redisPort", redisPort.trim()) : standardPort;
  const hosts = redisHost
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((one) => parseHost(one, fallback));
  const [first, ...rest] = hosts;
  if (!first) throw wrong("redisHost", redisHost, "names no host");
  return [first, ...rest];
}

function parseHost(text: string, fallback: number): Host {
  if (/^[a-z]+:\/\//i.test(text)) throw wrong("redisHost", text, "is a URL");
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text);
  if (bracketed?.[1]) return { host: bracketed[1], port: bracketed[2] ? toPort("redisHost", bracketed[2]) : fallback };
  const parts = text.split(":");
  // More than one colon: an IPv6 address without brackets.
  if (parts.length > 2) return { host: text, port: fallback };
  const [host = "", port] = parts;
  if (host === "") throw wrong("redisHost", text, "names no host");
  return { host, port: port === undefined ? fallback : toPort("redisHost", port) };
}

function toPort(key: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw wrong(key, text, "has no port between 1 and 65535");
  return port;
}

const wrong = (key: string, text: string, what: string) =>
  fail("openFailed", { why: `${key}: ${JSON.stringify(text)} ${what}; write it as localhost:6379` });

/** As people write it. */
export const toText = ({ host, port }: Host) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
