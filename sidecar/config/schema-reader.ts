import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar, type YAMLMap, type YAMLSeq } from "yaml";
import { didYouMean } from "../kernel/did-you-mean.ts";
import { durationHint, findDurationMs } from "../kernel/duration.ts";
import type { Finding } from "./report.ts";
import { isRequired, recordValues, type Schema } from "./schema.ts";
import type { Position, YamlDocument } from "./yaml-documents.ts";
import { scalarText, textOf } from "./yaml-text.ts";

/** What a document was read as. */
export interface Reading {
  /** Plain data of the schema's type, without defaults; only to be used when `wrong` is empty. */
  readonly value: unknown;
  /** Findings that leave the document unusable. */
  readonly wrong: readonly Finding[];
  /** Findings that were passed over: unknown keys, spellings. */
  readonly odd: readonly Finding[];
  /** Where things are written, by key path: `spec.metadata[0].value`. */
  readonly positions: ReadonlyMap<string, Position>;
}

/**
 * Reads a YAML document by a schema. It takes what the published format takes: keys in any case, empty values as
 * absent ones, numbers where text is wanted and text where numbers are.
 */
export function readBySchema(document: YamlDocument, schema: Schema): Reading {
  const reader = new SchemaReader(document, schema);
  const value = reader.read(document.document.contents as Node | null, schema, "");
  return { value, wrong: reader.wrong, odd: reader.odd, positions: reader.positions };
}

class SchemaReader {
  readonly wrong: Finding[] = [];
  readonly odd: Finding[] = [];
  readonly positions = new Map<string, Position>();
  readonly #document: YamlDocument;
  readonly #root: Schema;

  constructor(document: YamlDocument, root: Schema) {
    this.#document = document;
    this.#root = root;
  }

  read(written: Node | null, schema: Schema, path: string): unknown {
    const node = this.#resolved(written);
    if (node === null && isAlias(written)) {
      return this.#refuse(path, "refers to an anchor that does not exist", "put the value in quotes if it is text");
    }
    if (node === null || (isScalar(node) && node.value === null)) return undefined;
    if (schema["x-text"]) return this.#free(path, () => textOf(node, this.#document.document));
    const alternative = schema.anyOf?.find((candidate) => fits(candidate, node)) ?? schema.anyOf?.[0];
    if (alternative) return this.read(node, alternative, path);
    switch (schema.type) {
      case "object":
        return this.#object(node, schema, path);
      case "array":
        return this.#array(node, schema, path);
      case "string":
        return this.#string(node, schema, path);
      case "boolean":
        return this.#boolean(node, path);
      case "integer":
        return this.#integer(node, schema, path);
      default:
        return this.#free(path, () => node.toJS(this.#document.document));
    }
  }

  /** Data without a schema; what cannot be read are aliases without end and those that lead nowhere. */
  #free<T>(path: string, read: () => T): T | undefined {
    try {
      return read();
    } catch {
      return this.#refuse(path, "holds an alias that cannot be followed", "write the value out, or put it in quotes");
    }
  }

  #object(node: Node, schema: Schema, path: string): unknown {
    if (!isMap(node)) return this.#mismatch(node, path, "a mapping", `write "key: value" lines below it`);
    const result: Record<string, unknown> = {};
    const unknown: string[] = [];
    for (const { key: written, keyNode, value } of this.#pairs(node)) {
      const key = this.#canonicalKey(schema, written);
      const keyPath = path === "" ? (key ?? written) : `${path}.${key ?? written}`;
      this.#mark(keyPath, keyNode);
      const property = key === undefined ? recordValues(schema) : schema.properties?.[key];
      if (property === undefined) {
        unknown.push(written);
        if (schema.additionalProperties === false) this.#unknownKey(schema, written, keyPath);
        continue;
      }
      if (key !== undefined && key !== written) {
        this.#passOver(keyPath, `is spelt ${JSON.stringify(written)}`, `write "${key}"`);
      }
      const item = this.read(value, property, keyPath);
      if (item !== undefined) result[key ?? written] = item;
    }
    this.#requireKeys(node, schema, path, result, unknown);
    return result;
  }

  /** Takes back that a key is unknown, when it is named as the cause of something worse. */
  #forget(keyPath: string): void {
    const index = this.odd.findIndex((finding) => finding.keyPath === keyPath);
    if (index >= 0) this.odd.splice(index, 1);
  }

  #requireKeys(node: Node, schema: Schema, path: string, result: object, unknown: readonly string[]): void {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      if (Object.hasOwn(result, key) || !isRequired(schema, key)) continue;
      const keyPath = path === "" ? key : `${path}.${key}`;
      // Written, but wrong: that has been said already.
      if (this.wrong.some((finding) => finding.keyPath?.startsWith(keyPath))) continue;
      const meant = unknown.find((word) => didYouMean(word, [key]));
      if (meant) this.#forget(path === "" ? meant : `${path}.${meant}`);
      const hint = meant ? `${JSON.stringify(meant)} should be "${key}"` : `add it: ${lowered(property.description)}`;
      const empty = this.positions.has(keyPath);
      if (!empty) this.#mark(keyPath, node);
      this.#refuse(keyPath, empty ? "is empty" : "is missing", hint);
    }
  }

  #array(node: Node, schema: Schema, path: string): unknown {
    const items = schema.items ?? {};
    if (!isSeq(node)) {
      const named = items.properties?.["name"] ? 'write a list of entries, each beginning with "- name:"' : undefined;
      const [sample] = isScalar(node) ? [scalarText(node)] : ["value"];
      return this.#mismatch(node, path, "a list", named ?? `write a list: [${JSON.stringify(sample)}]`);
    }
    const result: unknown[] = [];
    for (const [index, item] of (node as YAMLSeq<Node | null>).items.entries()) {
      const itemPath = `${path}[${index}]`;
      this.#mark(itemPath, item ?? node);
      const value = this.read(item, items, itemPath);
      if (value === undefined) this.#refuse(itemPath, "is empty", "remove the entry or fill it in");
      else result.push(value);
    }
    return result;
  }

  #string(node: Node, schema: Schema, path: string): unknown {
    if (!isScalar(node)) return this.#mismatch(node, path, "text", "put it in quotes if it is meant as text");
    const text = scalarText(node);
    if (schema.enum) return this.#word(text, schema.enum as readonly string[], path);
    if (schema.format === "go-duration") return this.#duration(text, schema, path);
    if (text.length >= (schema.minLength ?? 0)) return text;
    return this.#refuse(path, "is empty", `fill it in: ${lowered(schema.description)}`);
  }

  #word(text: string, words: readonly string[], path: string): string | undefined {
    if (words.includes(text)) return text;
    const word = words.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
    if (word !== undefined) this.#passOver(path, `is spelt ${JSON.stringify(text)}`, `write "${word}"`);
    else {
      const known = words.filter((candidate) => candidate !== "");
      const hint = didYouMean(text, known) ?? (known.length === 1 ? `write "${known[0]}"` : `use one of these`);
      this.#refuse(path, `${JSON.stringify(text)} is not one of ${known.join(", ")}`, hint);
    }
    return word;
  }

  #duration(text: string, schema: Schema, path: string): string | undefined {
    if (text.trim() === "") return undefined;
    const ms = findDurationMs(text, schema["x-bare-unit"]);
    if (ms !== undefined && ms >= 0) return text;
    const message = ms === undefined ? "is not a duration" : "is a negative duration";
    const hint = ms === undefined ? durationHint(text) : `write ${JSON.stringify(text.trim().slice(1))}`;
    const finding = this.#finding(path, `${JSON.stringify(text)} ${message}`, hint);
    (schema["x-lax"] ? this.odd : this.wrong).push(finding);
    return undefined;
  }

  #boolean(node: Node, path: string): unknown {
    const text = isScalar(node) ? scalarText(node) : "";
    if (/^(true|yes|on)$/i.test(text)) return true;
    if (/^(false|no|off)$/i.test(text)) return false;
    return this.#mismatch(node, path, "true or false", "write true or false");
  }

  #integer(node: Node, schema: Schema, path: string): unknown {
    const text = isScalar(node) ? scalarText(node) : "";
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value)) {
      const digits = /^\s*[+-]?\d+/.exec(text)?.[0].trim();
      return this.#mismatch(node, path, "a whole number", digits ? `write ${digits}` : "write digits only, such as 3");
    }
    if (schema.minimum === undefined || value >= schema.minimum) return value;
    return this.#refuse(path, `${value} is too small`, `write ${schema.minimum} or more`);
  }

  /** Entries of a map, those taken over by `<<` first, so that the map's own ones win. */
  *#pairs(map: YAMLMap): Generator<{ key: string; keyNode: Node; value: Node | null }> {
    const own: { key: string; keyNode: Node; value: Node | null }[] = [];
    for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
      const keyText = isScalar(key) ? scalarText(key) : String(key);
      if (keyText !== "<<") own.push({ key: keyText, keyNode: key, value });
      else yield* this.#merged(value);
    }
    yield* own;
  }

  *#merged(value: Node | null): Generator<{ key: string; keyNode: Node; value: Node | null }> {
    const source = this.#resolved(value);
    if (isMap(source)) yield* this.#pairs(source);
    // Of several sources the first wins, so it comes last.
    else if (isSeq(source)) for (const item of (source as YAMLSeq<Node>).items.toReversed()) yield* this.#merged(item);
  }

  #resolved(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document.document) ?? null) : node;
  }

  #canonicalKey(schema: Schema, written: string): string | undefined {
    const names = Object.keys(schema.properties ?? {});
    if (names.includes(written)) return written;
    return names.find((name) => name.toLowerCase() === written.toLowerCase());
  }

  #unknownKey(schema: Schema, written: string, keyPath: string): void {
    const known = Object.keys(schema.properties ?? {});
    const placed = schema["x-hints"]?.[written];
    const top = schema !== this.#root && Object.hasOwn(this.#root.properties ?? {}, written);
    const outer = top ? `"${written}" stands at the top level of the document` : undefined;
    const hint = placed ?? outer ?? didYouMean(written, known) ?? `known here: ${known.join(", ")}`;
    this.#passOver(keyPath, "unknown key", hint);
  }

  #mismatch(node: Node, path: string, wanted: string, hint: string): undefined {
    const found = isMap(node) ? "a mapping" : isSeq(node) ? "a list" : JSON.stringify(scalarText(node as Scalar));
    return this.#refuse(path, `must be ${wanted}, not ${found}`, hint);
  }

  #mark(path: string, node: Node): void {
    if (node.range) this.positions.set(path, this.#document.position(node.range[0]));
  }

  #refuse(keyPath: string, message: string, hint: string): undefined {
    this.wrong.push(this.#finding(keyPath, message, hint));
    return undefined;
  }

  #passOver(keyPath: string, message: string, hint: string): undefined {
    this.odd.push(this.#finding(keyPath, message, hint));
    return undefined;
  }

  #finding(keyPath: string, message: string, hint: string): Finding {
    const position = this.positions.get(keyPath) ?? { line: this.#document.line, column: 1 };
    return { file: this.#document.file, ...position, keyPath, message, hint };
  }
}

function fits(schema: Schema, node: Node): boolean {
  if (schema.type === "object") return isMap(node);
  return schema.type === "array" ? isSeq(node) : isScalar(node);
}

/** A description as the end of a sentence. */
function lowered(description = ""): string {
  const sentence = description.replace(/\.$/, "");
  if (/^[A-Z]{2}/.test(sentence)) return sentence;
  return sentence.slice(0, 1).toLowerCase() + sentence.slice(1);
}
