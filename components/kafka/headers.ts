import { causeText, fail } from "../../specs/errors.ts";

type Metadata = Readonly<Record<string, string>>;
/** Names and values as records have them. */
export type Headers = readonly (readonly [Buffer | null, Buffer | null])[];

/** Header with the time at which a message ends, in milliseconds since 1970: it comes with no message. */
const expiryHeader = "mecha-expires-at";
const expiryBytes = Buffer.from(expiryHeader);
/** Says where a message goes, and no more. */
const partitionNumberKey = "partitionNumber";

export interface HeaderSettings {
  readonly escapeHeaders: boolean;
  readonly excludeHeaderMetaRegex: string;
}

/** What of a message's metadata becomes headers of its record, and the other way round. */
export class HeaderRules {
  readonly #isEscaped: boolean;
  readonly #excluded: RegExp | undefined;

  /** Throws `openFailed` for an expression that is none. */
  constructor({ escapeHeaders, excludeHeaderMetaRegex }: HeaderSettings) {
    this.#isEscaped = escapeHeaders;
    this.#excluded = excludeHeaderMetaRegex === "" ? undefined : toExpression(excludeHeaderMetaRegex);
  }

  toHeaders(metadata: Metadata, expiresAt: number | undefined): Map<Buffer, Buffer> {
    const headers = new Map<Buffer, Buffer>();
    for (const name in metadata) {
      if (name === partitionNumberKey || this.#excluded?.test(name)) continue;
      headers.set(Buffer.from(name), Buffer.from(metadata[name] ?? ""));
    }
    if (expiresAt !== undefined) headers.set(expiryBytes, Buffer.from(String(expiresAt)));
    return headers;
  }

  toMetadata(headers: Headers): Record<string, string> {
    // Without a prototype a header may have any name.
    const metadata: Record<string, string> = Object.create(null);
    for (const [name, value] of headers) {
      const key = name?.toString() ?? "";
      if (key === expiryHeader || this.#excluded?.test(key)) continue;
      const text = value?.toString() ?? "";
      metadata[key] = this.#isEscaped ? urlEncoded(text) : text;
    }
    return metadata;
  }

  /** Milliseconds since 1970 at which the message ends; undefined: never. */
  expiry(headers: Headers): number | undefined {
    for (const [name, value] of headers) {
      if (name?.length === expiryBytes.length && name.equals(expiryBytes)) return Number(value?.toString());
    }
    return undefined;
  }
}

/** The flag that others write into the expression is beside it here. */
const ignoreCase = /^\(\?i\)/;

function toExpression(source: string): RegExp {
  try {
    return new RegExp(source.replace(ignoreCase, ""), ignoreCase.test(source) ? "i" : "");
  } catch (error) {
    const why = `excludeHeaderMetaRegex: is no regular expression: ${causeText(error)}`;
    throw fail("openFailed", { why }, { cause: error });
  }
}

/** As values are written in the query of a URL. */
const urlEncoded = (text: string) => new URLSearchParams([["", text]]).toString().slice(1);
