import type { Source } from "../kernel/config-types.ts";
import type { Finding } from "./report.ts";
import { fillDefaults, type Schema } from "./schema.ts";
import { readBySchema } from "./schema-reader.ts";
import type { Position, YamlDocument } from "./yaml-documents.ts";

/** Data of a document that still knows where each part of it was written. */
export class Located<T> {
  readonly data: T;
  readonly source: Source;
  /** Findings that leave the document unusable. */
  readonly wrong: Finding[];
  /** Findings that were passed over. */
  readonly odd: Finding[];
  readonly #positions: ReadonlyMap<string, Position>;

  constructor(data: T, source: Source, positions: ReadonlyMap<string, Position>, wrong: Finding[], odd: Finding[]) {
    this.data = data;
    this.source = source;
    this.wrong = wrong;
    this.odd = odd;
    this.#positions = positions;
  }

  /** Line of a key path, else of the closest one around it. */
  lineOf(keyPath: string): number {
    return this.#position(keyPath).line;
  }

  /** Whether the key path was written in this document. */
  holds(keyPath: string): boolean {
    return this.#positions.has(keyPath);
  }

  /** Makes the document unusable. */
  refuse(keyPath: string, message: string, hint: string): void {
    this.wrong.push(this.#finding(keyPath, message, hint));
  }

  passOver(keyPath: string, message: string, hint: string): void {
    this.odd.push(this.#finding(keyPath, message, hint));
  }

  #finding(keyPath: string, message: string, hint: string): Finding {
    return { file: this.source.file, ...this.#position(keyPath), keyPath, message, hint };
  }

  #position(keyPath: string): Position {
    for (let path = keyPath; path !== ""; path = path.replace(/(\.[^.[\]]*|\[\d+\]|^[^.[\]]*)$/, "")) {
      const position = this.#positions.get(path);
      if (position) return position;
    }
    return { line: this.source.line, column: 1 };
  }
}

/**
 * Reads a document by the schema that its type was derived from.
 * @param defaults whether missing properties get their defaults.
 */
export function locate<T>(document: YamlDocument, schema: object, defaults: boolean): Located<T> {
  const { value, wrong, odd, positions } = readBySchema(document, schema as Schema);
  const data = defaults && wrong.length === 0 ? fillDefaults(schema as Schema, value) : value;
  const source = { file: document.file, line: document.line };
  return new Located(data as T, source, positions, [...wrong], [...odd]);
}
