import { fail } from "../../specs/errors.ts";

/** Where a server is, and who asks. */
export interface Address {
  readonly protocol: "amqp" | "amqps";
  readonly hostname: string;
  readonly port: number;
  readonly vhost: string;
  readonly username: string;
  readonly password: string;
}

const form = "amqp://user:password@host:5672/vhost";

/** Reads an address as text, `amqp://user:password@host:5672/vhost`. Throws `openFailed`, which names `key`. */
export function parseAddress(key: string, text: string): Address {
  const wrong = (what: string) => fail("openFailed", { why: `${key}: ${what}; write it as ${form}` });
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw wrong("is no address");
  }
  const protocol = url.protocol.slice(0, -1).toLowerCase();
  if (protocol !== "amqp" && protocol !== "amqps") throw wrong(`is not for amqp or amqps but for ${protocol}`);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  if (hostname === "") throw wrong("names no host");
  if (hostname.includes(",")) throw wrong("names several hosts; one address must lead to all of them");
  const vhost = decoded(url.pathname.slice(1));
  const [username, password] = [decoded(url.username), decoded(url.password)];
  if (vhost === undefined || username === undefined || password === undefined) {
    throw wrong("holds a % that encodes nothing (%25 stands for %)");
  }
  const isAnonymous = username === "" && password === "";
  return {
    protocol,
    hostname,
    port: Number(url.port) || standardPort[protocol],
    vhost: vhost || "/",
    // What the server knows before anybody has set it up.
    username: isAnonymous ? "guest" : username,
    password: isAnonymous ? "guest" : password,
  };
}

const standardPort = { amqp: 5672, amqps: 5671 } as const;

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The parts of an address as settings of their own. */
export interface AddressParts {
  readonly connectionString?: string;
  readonly protocol: string;
  readonly hostname?: string;
  readonly username?: string;
  readonly password?: string;
}

/** From connectionString, or from hostname and its companions. Throws `openFailed`. */
export function addressOf({ connectionString, protocol, hostname, username, password }: AddressParts): Address {
  if (connectionString && hostname) {
    throw fail("openFailed", { why: "connectionString, hostname: both say where the server is; take one of them out" });
  }
  if (connectionString) return parseAddress("connectionString", connectionString);
  if (!hostname) {
    throw fail("openFailed", { why: `connectionString: say where the server is, as ${form}, or give hostname` });
  }
  const user = [username, password].map((one) => encodeURIComponent(one ?? "")).join(":");
  return parseAddress("protocol, hostname", `${protocol}://${user}@${hostname}`);
}

/** For people; without secrets. */
export const toText = ({ hostname, port }: Address) => `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
