import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A line of orders.jsonl. */
export interface Order {
  readonly id: string;
  readonly buyer: string;
  readonly city: string;
  readonly sku: string;
  readonly quantity: number;
}

/** An entry of stock.json. */
export interface Item {
  readonly sku: string;
  readonly name: string;
  readonly stock: number;
}

const example = join(import.meta.dirname, "..");

/** The orders in the order they are sent, repetitions included; the first `most` of them. */
export function readOrders(most = Number.POSITIVE_INFINITY): readonly Order[] {
  const lines = readFileSync(join(example, "orders.jsonl"), "utf8").trim().split("\n");
  return lines.slice(0, most).map((line) => JSON.parse(line) as Order);
}

export const readStock = (): readonly Item[] => JSON.parse(readFileSync(join(example, "stock.json"), "utf8"));
