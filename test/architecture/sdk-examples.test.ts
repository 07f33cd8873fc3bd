import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, test } from "vitest";

// What the SDK offers is shown by examples, and the examples compile. All of them are checked as one program, each as a
// module of its own that exists in memory only.

const project = resolve(import.meta.dirname, "../..");
const entry = join(project, "sdk/src/index.ts");

interface Example {
  readonly symbol: string;
  /** `sdk/src/client.ts:12`, of the comment. */
  readonly place: string;
  readonly code: string;
}

interface Shown {
  /** Exported symbols and where they stand. */
  readonly symbols: readonly { readonly name: string; readonly place: string; readonly examples: readonly Example[] }[];
  /** Methods without a comment. */
  readonly unexplained: readonly string[];
}

const { config } = ts.readConfigFile(join(project, "tsconfig.json"), (path) => readFileSync(path, "utf8"));
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, project);

const commentOf = (declaration: ts.Node): string =>
  ts
    .getJSDocCommentsAndTags(declaration)
    .filter(ts.isJSDoc)
    .map((comment) => comment.getText())
    .join("\n");

function placeOf(declaration: ts.Node): string {
  const file = declaration.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(declaration.getStart());
  return `${relative(project, file.fileName)}:${line + 1}`;
}

/** The fenced blocks behind `@example`, as code. */
function examplesIn(comment: string, symbol: string, place: string): Example[] {
  const text = comment.replaceAll(/^[ \t]*\*( |$)/gm, "");
  return [...text.matchAll(/@example\s+```ts\n([\s\S]*?)```/g)].map(([, code = ""]) => ({ symbol, place, code }));
}

/** Variables carry their comment on the statement around them. */
const commented = (declaration: ts.Declaration): ts.Node =>
  ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;

function readShown(): Shown {
  const program = ts.createProgram([entry], options);
  const checker = program.getTypeChecker();
  const module = program.getSourceFile(entry);
  const moduleSymbol = module && checker.getSymbolAtLocation(module);
  if (!moduleSymbol) throw new Error(`${entry} exports nothing`);
  const unexplained: string[] = [];
  const symbols = checker.getExportsOfModule(moduleSymbol).map((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const declarations = symbol.declarations ?? [];
    for (const declaration of declarations) unexplained.push(...methodsWithoutComment(declaration, symbol.name));
    const [first] = declarations;
    if (!first) throw new Error(`${symbol.name} is declared nowhere`);
    const examples = declarations.flatMap((each) => examplesIn(commentOf(commented(each)), symbol.name, placeOf(each)));
    return { name: symbol.name, place: placeOf(first), examples };
  });
  return { symbols, unexplained };
}

function methodsWithoutComment(declaration: ts.Declaration, name: string): string[] {
  if (!ts.isClassDeclaration(declaration)) return [];
  return declaration.members
    .filter((member) => ts.isMethodDeclaration(member) && ts.isIdentifier(member.name) && commentOf(member) === "")
    .map((member) => `${name}.${member.name?.getText()} (${placeOf(member)})`);
}

/** What is wrong with the examples, each in its own module. */
function findMistakes(examples: readonly Example[]): string[] {
  // Beside the package, so that imports resolve as they do for whoever uses it.
  const files = new Map(examples.map((example, at) => [join(project, `sdk/example-${at}.ts`), example]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  const codeOf = (path: string) => files.get(path)?.code;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => codeOf(path) ?? readFile(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const code = codeOf(path);
    return code === undefined
      ? getSourceFile(path, languageVersion, ...rest)
      : ts.createSourceFile(path, code, languageVersion, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([path, { symbol, place }]) => {
    const file = program.getSourceFile(path);
    if (!file) return [`${symbol} (${place}): its example cannot be read`];
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText, start = 0 }) => {
        const { line } = file.getLineAndCharacterOfPosition(start);
        const text = ts.flattenDiagnosticMessageText(messageText, " ");
        return `${symbol} (${place}), line ${line + 1} of the example: ${text}`;
      },
    );
  });
}

describe("the SDK", () => {
  let shown: Shown;
  beforeAll(() => {
    shown = readShown();
  }, 60_000);

  test("shows every exported symbol by an example", () => {
    const silent = shown.symbols.filter(({ examples }) => examples.length === 0);
    expect(silent.map(({ name, place }) => `${name} (${place})`)).toEqual([]);
    expect(shown.symbols.length).toBeGreaterThan(40);
  });

  test("explains every method of its classes", () => {
    expect(shown.unexplained).toEqual([]);
  });

  test("has examples that use what they show", () => {
    const elsewhere = shown.symbols.flatMap(({ examples }) =>
      examples.filter(({ symbol, code }) => !new RegExp(`\\b${symbol}\\b`).test(code)),
    );
    expect(elsewhere.map(({ symbol, place }) => `${symbol} (${place})`)).toEqual([]);
  });

  test("has examples that compile", { timeout: 60_000 }, () => {
    expect(findMistakes(shown.symbols.flatMap(({ examples }) => examples))).toEqual([]);
  });

  test("has examples whose mistakes are found", { timeout: 60_000 }, () => {
    const code = 'import { createClient } from "@mecha/sdk";\nawait createClient().state("s").get(7);\n';
    expect(findMistakes([{ symbol: "x", place: "sdk/src/x.ts:1", code }])).toEqual([
      "x (sdk/src/x.ts:1), line 2 of the example: Argument of type 'number' is not assignable to parameter of type 'string'.",
    ]);
  });
});

test("the SDK has at most five runtime dependencies", () => {
  const manifest = JSON.parse(readFileSync(join(project, "sdk/package.json"), "utf8")) as Record<string, object>;
  const runtime = ["dependencies", "peerDependencies", "optionalDependencies"].flatMap((kind) =>
    Object.keys(manifest[kind] ?? {}),
  );
  expect(runtime.length).toBeLessThanOrEqual(5);
});
