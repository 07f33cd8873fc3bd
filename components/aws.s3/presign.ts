import { createHash, createHmac } from "node:crypto";

/** Who signs. */
export interface Signer {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface Presigning {
  /** Address of the object, its path in the form that S3 signs. */
  readonly url: string;
  readonly region: string;
  readonly seconds: number;
  /** Milliseconds since 1970 from which the address is good. */
  readonly atMs: number;
}

const algorithm = "AWS4-HMAC-SHA256";

/** The address by which anybody may get the object for so long: Signature Version 4 in the query. */
export function presigned({ url, region, seconds, atMs }: Presigning, signer: Signer): string {
  const { protocol, host, pathname } = new URL(url);
  const time = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const parameters: Readonly<Record<string, string>> = {
    "X-Amz-Algorithm": algorithm,
    "X-Amz-Credential": `${signer.accessKeyId}/${scope}`,
    "X-Amz-Date": time,
    "X-Amz-Expires": String(seconds),
    ...(signer.sessionToken ? { "X-Amz-Security-Token": signer.sessionToken } : {}),
    "X-Amz-SignedHeaders": "host",
  };
  const query = Object.entries(parameters)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .join("&");
  const request = ["GET", pathname, query, `host:${host}\n`, "host", "UNSIGNED-PAYLOAD"].join("\n");
  const text = [algorithm, time, scope, createHash("sha256").update(request).digest("hex")].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<Buffer | string>(hmac, `AWS4${signer.secretAccessKey}`);
  return `${protocol}//${host}${pathname}?${query}&X-Amz-Signature=${hmac(key, text).toString("hex")}`;
}

const hmac = (key: Buffer | string, text: string) => createHmac("sha256", key).update(text).digest();

/** As RFC 3986 says, of which `encodeURIComponent` leaves out some. */
const escaped = (text: string) =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
