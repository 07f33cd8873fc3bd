import { type Document, isMap, isScalar, LineCounter, type ParsedNode, parseAllDocuments, type YAMLError } from "yaml";
import type { Finding } from "./report.ts";

/** One document of a YAML file. */
export interface YamlDocument {
  readonly file: string;
  readonly document: Document.Parsed;
  /** Line and column, both from 1, of an offset in the file. */
  position(offset: number): Position;
  /** Line of the first thing written in the document. */
  readonly line: number;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlFile {
  /** Documents that hold something and can be read. */
  readonly documents: readonly YamlDocument[];
  /** Syntax errors; each cost its document. */
  readonly broken: readonly Finding[];
  /** Keys written twice; the last one counts. */
  readonly repeated: readonly Finding[];
}

/** Splits a file into its documents. `file` is only named in findings. */
export function parseYaml(file: string, text: string): YamlFile {
  const found = chunks(text.replace(/^\uFEFF/, "")).map((chunk) => parseChunk(file, chunk));
  return {
    documents: found.flatMap(({ documents }) => documents),
    broken: found.flatMap(({ broken }) => broken),
    repeated: found.flatMap(({ repeated }) => repeated),
  };
}

interface Chunk {
  readonly text: string;
  /** Lines of the file before the chunk. */
  readonly linesBefore: number;
}

/** Cuts at the markers first, so that an open quote costs only its own document. */
function chunks(text: string): Chunk[] {
  let linesBefore = 0;
  return text.split(/^(?=---(?:[ \t\r]|$))/m).map((part) => {
    const chunk = { text: part, linesBefore };
    linesBefore += part.split("\n").length - 1;
    return chunk;
  });
}

function parseChunk(file: string, { text, linesBefore }: Chunk): YamlFile {
  const lineCounter = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: linesBefore + Math.max(line, 1), column: Math.max(col, 1) };
  };
  const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, merge: true });
  const documents: YamlDocument[] = [];
  const broken: Finding[] = [];
  const repeated: Finding[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const [first] = document.errors.filter(({ code }) => code !== "DUPLICATE_KEY");
    if (first) {
      // What follows the first error is most often its echo.
      broken.push({
        file,
        ...position(first.pos[0]),
        message: `invalid YAML: ${plain(first)}`,
        hint: syntaxHint(first),
      });
      continue;
    }
    for (const error of document.errors) {
      repeated.push({
        file,
        ...position(error.pos[0]),
        message: "key is written twice",
        hint: "remove one of the two",
      });
    }
    const root = document.contents;
    if (root === null || (isScalar(root) && root.value === null)) continue;
    documents.push({ file, document, position, line: position(root.range[0]).line });
  }
  return { documents, broken, repeated };
}

/** The text of a scalar under a key of the top level, such as `kind`. */
export function topLevelText(document: YamlDocument, key: string): string | undefined {
  const root = document.document.contents;
  const value = isMap(root) ? root.get(key) : undefined;
  return value === undefined || value === null || typeof value === "object" ? undefined : String(value);
}

/** Line of a key of the top level, else of the document. */
export function topLevelLine(document: YamlDocument, key: string): number {
  const root = document.document.contents;
  if (!isMap<ParsedNode>(root)) return document.line;
  const pair = root.items.find(({ key: node }) => isScalar(node) && node.value === key);
  return pair?.key.range ? document.position(pair.key.range[0]).line : document.line;
}

/** Keys of the top level, as text. */
export function topLevelKeys(document: YamlDocument): string[] {
  const root = document.document.contents;
  return isMap(root) ? root.items.map(({ key }) => (isScalar(key) ? String(key.value) : String(key))) : [];
}

function plain(error: YAMLError): string {
  const message = error.message.replace(/\.?\s*$/, "");
  return message.slice(0, 1).toLowerCase() + message.slice(1);
}

function syntaxHint(error: YAMLError): string {
  switch (error.code) {
    case "TAB_AS_INDENT":
      return "indent with spaces";
    case "BAD_INDENT":
    case "MISSING_CHAR":
      return /quote/.test(error.message)
        ? "close the quote"
        : /flow|bracket|[\]}]/.test(error.message)
          ? "close the bracket or put the value in quotes"
          : "indent it like its neighbours";
    case "BLOCK_AS_IMPLICIT_KEY":
    case "BLOCK_IN_FLOW":
    case "MULTILINE_IMPLICIT_KEY":
      return 'put a value that holds ": " in quotes, and check the indentation';
    case "BAD_SCALAR_START":
      return "put the value in quotes";
    case "BAD_ALIAS":
      return 'put a value that begins with "*" or "&" in quotes';
    case "BAD_DQ_ESCAPE":
      return "use single quotes, or write a backslash twice";
    case "KEY_OVER_1024_CHARS":
      return "close the quote";
    default:
      return "check the indentation and the quotes of this line and the one above";
  }
}
