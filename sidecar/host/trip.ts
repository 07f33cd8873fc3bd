import { Environment } from "@marcbachmann/cel-js";
import { causeText } from "../../specs/errors.ts";

/** What a circuit breaker has counted since its counts were last cleared. */
export interface Counts {
  readonly requests: number;
  readonly totalSuccesses: number;
  readonly totalFailures: number;
  readonly consecutiveSuccesses: number;
  readonly consecutiveFailures: number;
}

/** Whether the breaker opens at these counts. Never throws. */
export type Trip = (counts: Counts) => boolean;

const variables = [
  "requests",
  "totalSuccesses",
  "totalFailures",
  "consecutiveSuccesses",
  "consecutiveFailures",
] as const;

const language = new Environment();
for (const name of variables) language.registerVariable(name, "int");

/**
 * Compiles a trip condition written in CEL. A condition that fails at some counts (a division by zero) does not trip
 * there. Throws an Error that says why when the text is not a condition over the counts.
 */
export function compileTrip(text: string): Trip {
  let expression: ReturnType<typeof language.parse>;
  try {
    expression = language.parse(text);
    const { valid, error, type } = expression.check();
    if (!valid) throw error;
    if (type !== "bool") throw new Error(`it gives ${type}, not true or false`);
  } catch (error) {
    // The library draws the place of an error on further lines.
    const why = causeText(error).split("\n", 1)[0];
    throw new Error(`${JSON.stringify(text)} is not a condition over ${variables.join(", ")}: ${why}`, {
      cause: error,
    });
  }
  return (counts) => {
    try {
      return expression(toInts(counts)) === true;
    } catch {
      return false;
    }
  };
}

/** A number is a double to CEL; its ints are bigints. */
function toInts(counts: Counts): Record<string, bigint> {
  return {
    requests: BigInt(counts.requests),
    totalSuccesses: BigInt(counts.totalSuccesses),
    totalFailures: BigInt(counts.totalFailures),
    consecutiveSuccesses: BigInt(counts.consecutiveSuccesses),
    consecutiveFailures: BigInt(counts.consecutiveFailures),
  };
}
