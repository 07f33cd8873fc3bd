import { Environment } from "@marcbachmann/cel-js";
import { causeText } from "../../../specs/errors.ts";
import type { SubscriptionRoute } from "../../kernel/config-types.ts";

/**
 * Gives the path for an event; undefined: no rule matched. `read` gives the event as rules see it and is called only
 * when a rule must be asked. Throws an Error when a rule cannot be decided for this event.
 */
export type Router = (read: () => unknown) => string | undefined;

const language = new Environment({ homogeneousAggregateLiterals: false }).registerVariable("event", "dyn");

// Every JSON number is a double to CEL, and its rules hold whole numbers: `event.data.n % 2 == 0` must mean something.
const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};
for (const [sign, compute] of Object.entries(arithmetic)) {
  const mixed = (a: unknown, b: unknown) => compute(Number(a), Number(b));
  language.registerOperator(`double ${sign} int`, mixed).registerOperator(`int ${sign} double`, mixed);
}

interface Rule {
  readonly path: string;
  readonly match: string;
  /** Undefined: always. */
  readonly decide: ((event: unknown) => unknown) | undefined;
}

/** Compiles the rules of a subscription. Throws an Error that names the rule which is not CEL. */
export function compileRoutes(routes: readonly SubscriptionRoute[]): Router {
  const rules = routes.map(compileRule);
  const [first] = rules;
  if (first && !first.decide) return () => first.path;
  return (read) => {
    const event = read();
    return rules.find((rule) => matches(rule, event))?.path;
  };
}

function compileRule({ match, path }: SubscriptionRoute): Rule {
  if (match.trim() === "") return { path, match, decide: undefined };
  try {
    const expression = language.parse(match);
    const { valid, error, type } = expression.check();
    if (!valid) throw error;
    if (type !== "bool" && type !== "dyn") throw new Error(`it gives ${type}, not true or false`);
    return { path, match, decide: (event) => expression({ event }) };
  } catch (error) {
    throw new Error(`the rule ${JSON.stringify(match)} is not usable: ${firstLine(error)}`, { cause: error });
  }
}

function matches(rule: Rule, event: unknown): boolean {
  if (!rule.decide) return true;
  let answer: unknown;
  try {
    answer = rule.decide(event);
  } catch (error) {
    throw new Error(`the rule ${JSON.stringify(rule.match)} cannot be decided: ${firstLine(error)}`, { cause: error });
  }
  if (typeof answer === "boolean") return answer;
  throw new Error(`the rule ${JSON.stringify(rule.match)} gives ${typeof answer}, not true or false`);
}

/** The library draws the place of an error on further lines. */
const firstLine = (error: unknown) => causeText(error).split("\n", 1)[0] ?? "";

/** Whole numbers that a double does not hold. */
const wide = /\d{16}/;

/** An event's JSON as rules see it: whole numbers that a double would round become CEL ints. */
export function celView(text: string, parsed: unknown): unknown {
  if (!wide.test(text)) return parsed;
  // ES2025 source text access; TypeScript's library does not name it yet.
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ) => unknown;
  return parse(text, (_, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && source && /^-?\d{16,19}$/.test(source)
      ? int64(source, value)
      : value,
  );
}

function int64(source: string, fallback: number): bigint | number {
  const value = BigInt(source);
  return BigInt.asIntN(64, value) === value ? value : fallback;
}
