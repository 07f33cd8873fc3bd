/** Base64 as the published format takes it: padded, line breaks anywhere. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The bytes to store for the data of a request: a JSON text loses its quotes, and what then is base64 is decoded.
 * That words such as `abcd` are base64 too is part of the published behaviour.
 */
export function toContent(data: Uint8Array): Uint8Array {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const unquoted = unquote(bytes);
  const text = unquoted.toString("latin1").replace(/[\r\n]/g, "");
  return base64.test(text) ? Buffer.from(text, "base64") : unquoted;
}

function unquote(bytes: Buffer): Buffer {
  if (bytes.length < 2 || bytes[0] !== 0x22 || bytes.at(-1) !== 0x22) return bytes;
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "string" ? Buffer.from(value) : bytes;
  } catch {
    return bytes;
  }
}
