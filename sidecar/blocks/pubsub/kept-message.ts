/** A message as it lies in a delivery store. */
export interface KeptMessage {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly key?: string | undefined;
}

interface Written extends Omit<KeptMessage, "data"> {
  /** Base64. */
  readonly data: string;
}

/** As JSON, with `more` beside it. */
export function writeKept(message: KeptMessage, more: object = {}): Buffer {
  const { topic, data, contentType, metadata, key } = message;
  const written: Written = { topic, data: Buffer.from(data).toString("base64"), contentType, metadata, key };
  return Buffer.from(JSON.stringify({ ...written, ...more }));
}

/** What `writeKept` has written. */
export function readKept<More extends object>(json: Uint8Array): KeptMessage & More {
  const { data, ...rest } = JSON.parse(Buffer.from(json).toString()) as Written & More;
  return { ...rest, data: Buffer.from(data, "base64") } as unknown as KeptMessage & More;
}
