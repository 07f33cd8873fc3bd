import { expect, it } from "vitest";
import { type Books, findMistakes, itemLines } from "../../../../../examples/order-inventory/runner/books.ts";

const order = { id: "A-1", buyer: "Mei Xu", city: "Lima", sku: "MUG", quantity: 2 };
const stock = [{ sku: "MUG", name: "Mug", stock: 5 }];

/** Books of one confirmed order, with changes. */
function books(
  changes: { left?: number; status?: "placed" | "confirmed"; reserved?: boolean; told?: string } = {},
): Books {
  const { left = 3, status = "confirmed", reserved = true, told = "A-1" } = changes;
  return {
    orders: new Map([["A-1", { ...order, status }]]),
    items: new Map([["MUG", { sku: "MUG", name: "Mug", stock: left }]]),
    decisions: new Map([["A-1", { id: "A-1", sku: "MUG", quantity: 2, reserved }]]),
    notifications: new Map([[told, { order: told, outcome: "confirmed", sentAt: 1 }]]),
  };
}

const mistakesOf = (kept: Books, sent = [order]) => findMistakes(kept, itemLines(kept, stock), sent);

it("books of an order that everybody agrees on have no mistakes", () => {
  expect(mistakesOf(books())).toEqual([]);
  expect(itemLines(books(), stock)).toEqual([
    { sku: "MUG", name: "Mug", initial: 5, wanted: 2, confirmed: 2, left: 3 },
  ]);
});

it.each([
  ["stock that does not match what was confirmed", books({ left: 4 }), /MUG: 5 - 2 confirmed is not 4 left/],
  ["more sold than there was", books({ left: -1 }), /MUG is oversold: -1 left/],
  ["an order without an outcome", books({ status: "placed" }), /order A-1 has no outcome/],
  ["a decision that differs from the outcome", books({ reserved: false }), /inventory decided rejected/],
  ["a notification about something else", books({ told: "A-2" }), /its buyer was told nothing/],
  ["an item that is not on record", { ...books(), items: new Map() }, /MUG is oversold: NaN left/],
  ["a notification too many", { ...books(), notifications: new Map() }, /0 notifications for 1 orders/],
])("%s is a mistake", (_what, kept, mistake) => {
  expect(mistakesOf(kept).join("\n")).toMatch(mistake);
});

it("an order that was sent and is not on record is lost", () => {
  expect(mistakesOf(books(), [order, { ...order, id: "A-9" }])).toContain("order A-9 is lost");
});
