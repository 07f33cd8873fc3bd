import type { HttpInput } from "../../kernel/method.ts";
import type { Headers } from "../../kernel/request.ts";

const metadataPrefix = "metadata.";
const nothing = new Uint8Array(0);

/** The request as codecs see it; the query is parsed when it is first asked for. */
export class RoutedInput implements HttpInput {
  readonly verb: string;
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly stream?: AsyncIterable<Uint8Array>;
  readonly #search: string;
  #query: URLSearchParams | undefined;

  constructor(
    verb: string,
    route: string,
    params: Readonly<Record<string, string>>,
    headers: Headers,
    search: string,
    body: Uint8Array | undefined,
    stream?: AsyncIterable<Uint8Array>,
  ) {
    this.verb = verb;
    this.route = route;
    this.params = params;
    this.headers = headers;
    this.#search = search;
    this.body = body ?? nothing;
    if (stream) this.stream = stream;
  }

  get #parsed(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#search);
    return this.#query;
  }

  query(name: string): string | undefined {
    return this.#search === "" ? undefined : (this.#parsed.get(name) ?? undefined);
  }

  queryAll(name: string): readonly string[] {
    return this.#search === "" ? [] : this.#parsed.getAll(name);
  }

  get metadata(): Record<string, string> {
    // Without a prototype, so that metadata.__proto__ is a key like any other.
    const found: Record<string, string> = Object.create(null);
    if (this.#search === "") return found;
    for (const [key, value] of this.#parsed) {
      if (!key.startsWith(metadataPrefix)) continue;
      const name = key.slice(metadataPrefix.length);
      if (!(name in found)) found[name] = value;
    }
    return found;
  }
}
