import type { StateStore } from "@mecha/sdk";
import type { Item, Order } from "./order.ts";
import type { Notification } from "./outcomes.ts";

/** What the orders service keeps. */
interface OrderRecord extends Order {
  readonly status: "placed" | "confirmed" | "rejected";
}

/** What the inventory service keeps of each order. */
interface Decision {
  readonly id: string;
  readonly sku: string;
  readonly quantity: number;
  readonly reserved: boolean;
}

/** What the three services have on record. */
export interface Books {
  readonly orders: ReadonlyMap<string, OrderRecord>;
  readonly items: ReadonlyMap<string, Item>;
  readonly decisions: ReadonlyMap<string, Decision>;
  readonly notifications: ReadonlyMap<string, Notification>;
}

/** How an item fared. */
export interface ItemLine {
  readonly sku: string;
  readonly name: string;
  readonly initial: number;
  readonly wanted: number;
  readonly confirmed: number;
  /** NaN: the item is not on record. */
  readonly left: number;
}

type Store = StateStore;

/** Reads everything, each service's part through its own sidecar. */
export async function readBooks(stores: { orders: Store; inventory: Store; notifications: Store }): Promise<Books> {
  return {
    orders: await readAll<OrderRecord>(stores.orders, "order-"),
    items: await readAll<Item>(stores.inventory, "item-"),
    decisions: await readAll<Decision>(stores.inventory, "decision-"),
    notifications: await readAll<Notification>(stores.notifications, "notification-"),
  };
}

const batch = 500;

/** Values by key without its prefix. */
async function readAll<T>(store: Store, prefix: string): Promise<Map<string, T>> {
  const keys: string[] = [];
  for await (const key of store.keys(prefix, { pageSize: 1000 })) keys.push(key);
  const all = new Map<string, T>();
  for (let from = 0; from < keys.length; from += batch) {
    for (const { key, entry } of await store.getMany<T>(keys.slice(from, from + batch))) {
      if (entry) all.set(key.slice(prefix.length), entry.value);
    }
  }
  return all;
}

/** One line for each item. */
export function itemLines({ orders, items }: Books, stock: readonly Item[]): ItemLine[] {
  return stock.map(({ sku, name, stock: initial }) => {
    const ofItem = [...orders.values()].filter((order) => order.sku === sku);
    const confirmed = sum(ofItem.filter(({ status }) => status === "confirmed"));
    return { sku, name, initial, wanted: sum(ofItem), confirmed, left: items.get(sku)?.stock ?? Number.NaN };
  });
}

const sum = (orders: readonly OrderRecord[]) => orders.reduce((total, { quantity }) => total + quantity, 0);

/** What does not add up, in words; empty when the books balance. */
export function findMistakes(books: Books, lines: readonly ItemLine[], sent: readonly Order[]): string[] {
  const mistakes: string[] = [];
  for (const { sku, initial, confirmed, left } of lines) {
    if (!(left >= 0)) mistakes.push(`${sku} is oversold: ${left} left`);
    if (initial - confirmed !== left) mistakes.push(`${sku}: ${initial} - ${confirmed} confirmed is not ${left} left`);
  }
  for (const id of new Set(sent.map((order) => order.id))) {
    if (!books.orders.has(id)) mistakes.push(`order ${id} is lost`);
  }
  for (const [id, { status }] of books.orders) {
    const reserved = books.decisions.get(id)?.reserved;
    const decided = reserved === undefined ? "nothing" : reserved ? "confirmed" : "rejected";
    const told = books.notifications.get(id)?.outcome ?? "nothing";
    if (status === "placed") mistakes.push(`order ${id} has no outcome`);
    else if (decided !== status) mistakes.push(`order ${id} is ${status}, but inventory decided ${decided}`);
    if (told !== status) mistakes.push(`order ${id} is ${status}, but its buyer was told ${told}`);
  }
  const { orders, decisions, notifications } = books;
  for (const [what, records] of Object.entries({ decisions, notifications })) {
    if (records.size !== orders.size) mistakes.push(`${records.size} ${what} for ${orders.size} orders`);
  }
  return mistakes;
}
