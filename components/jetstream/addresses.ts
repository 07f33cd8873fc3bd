import { fail } from "../../specs/errors.ts";

/** Where servers are and how one gets in, as natsURL says. */
export interface Addresses {
  /** `host:port`, without what is secret. */
  readonly servers: readonly [string, ...string[]];
  readonly hosts: readonly string[];
  readonly isEncrypted: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

const standardPort = 4222;

/** Reads natsURL. Throws `openFailed` for what is no address; what is secret in it is never said. */
export function parseAddresses(natsURL: string): Addresses {
  const urls = natsURL
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map(parse);
  const [first, ...rest] = urls;
  if (!first) throw wrong("names no server");
  const { username, password } = [first, ...rest].find((url) => url.username !== "") ?? first;
  const [name, word] = [decode(username), decode(password)];
  return {
    servers: [toServer(first), ...rest.map(toServer)],
    hosts: urls.map(hostOf),
    isEncrypted: urls.some(({ protocol }) => protocol === "tls:"),
    ...(word === "" ? {} : { user: name, password: word }),
    // One word before the host is a token.
    ...(name !== "" && word === "" ? { token: name } : {}),
  };
}

function parse(text: string): URL {
  const url = URL.parse(text.includes("://") ? text : `nats://${text}`);
  if (!url || url.hostname === "") throw wrong("is no address");
  if (url.protocol === "nats:" || url.protocol === "tls:") return url;
  const hint = /^wss?:$/.test(url.protocol) ? "WebSockets are not offered" : `${url.protocol}// is not known`;
  throw wrong(hint);
}

const wrong = (what: string) =>
  fail("openFailed", { why: `natsURL: ${what}; write it as nats://localhost:4222, or tls://localhost:4222` });

/** A percent sign that begins no escape is itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const toServer = ({ hostname, port }: URL) => `${hostname}:${port === "" ? standardPort : port}`;
const hostOf = ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, "");
