import type { AppRequest } from "./request.ts";

/** A path that this app answers. */
export interface AppRoute {
  /** In capitals; undefined: any verb. */
  readonly verb: string | undefined;
  /** With its leading slash; `:name` is one segment, a closing `*` the rest. */
  readonly path: string;
  /** Answers without the app's token. */
  readonly open?: true;
  /** What it is, for messages. */
  readonly what: string;
  /** Gives what a handler returned; may throw an AppReply. */
  handle(request: AppRequest): unknown;
}

export interface Matched {
  readonly route: AppRoute;
  readonly params: Readonly<Record<string, string>>;
}

interface Pattern {
  readonly route: AppRoute;
  readonly expression: RegExp;
  readonly names: readonly string[];
}

const isPattern = (path: string): boolean => /[:*]/.test(path);

/** Finds routes: a path without placeholders goes before any with them, these in their order. */
export class Router {
  readonly #exact = new Map<string, AppRoute>();
  readonly #patterns: Pattern[] = [];

  /** @throws TypeError when two routes are the same */
  constructor(routes: readonly AppRoute[]) {
    for (const route of routes) {
      const key = `${route.verb ?? "*"} ${route.path}`;
      const other = this.#exact.get(key);
      if (other)
        throw new TypeError(`${route.what} and ${other.what} have the same path ${route.path}; give one another`);
      this.#exact.set(key, route);
      if (isPattern(route.path)) this.#patterns.push({ route, ...compile(route.path) });
    }
  }

  /** `path` as it was sent. */
  find(verb: string, path: string): Matched | undefined {
    const trimmed = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
    const exact = this.#exact.get(`${verb} ${trimmed}`) ?? this.#exact.get(`* ${trimmed}`);
    if (exact && !isPattern(exact.path)) return { route: exact, params: {} };
    for (const { route, expression, names } of this.#patterns) {
      if (route.verb !== undefined && route.verb !== verb) continue;
      const found = expression.exec(trimmed);
      if (!found) continue;
      const params = Object.fromEntries(names.map((name, at) => [name, decoded(found[at + 1] ?? "")]));
      return { route, params };
    }
    return undefined;
  }
}

function compile(path: string): { expression: RegExp; names: string[] } {
  const names: string[] = [];
  const parts = path.split("/").map((part) => {
    if (part === "*") names.push("*");
    else if (part.startsWith(":")) names.push(part.slice(1));
    else return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return part === "*" ? "(.*)" : "([^/]+)";
  });
  return { expression: new RegExp(`^${parts.join("/")}$`), names };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
