import type { Pair } from "./pair.ts";
import type { Report } from "./report.ts";

/** Commands for the reader to play with, while everything is up. */
export function thingsToTry(pairs: readonly Pair[], { stock }: Report, logs: string): string {
  const url = (appId: string) => `${pairs.find(({ service }) => service.appId === appId)?.url}/v1.0`;
  const [orders, inventory, notifications] = [url("orders"), url("inventory"), url("notifications")];
  const sku = (stock.find(({ left }) => left > 0) ?? stock[0])?.sku;
  const order = JSON.stringify({ id: "mine-1", buyer: "Me", city: "Here", sku, quantity: 1 });
  return `Everything stays up; Ctrl-C stops it. Meanwhile, in another terminal:

  # place an order: once, and again, which changes nothing
  curl -i ${orders}/invoke/orders/method/orders -H 'content-type: application/json' -d '${order}'

  # what became of it: the order, the stock, the notification; each in the store of its own service
  curl ${orders}/state/statestore/order-mine-1
  curl ${inventory}/state/statestore/item-${sku}
  curl ${notifications}/state/statestore/notification-mine-1

  # the same event a second time, past the orders service: nothing is reserved again
  curl -i ${orders}/publish/pubsub/order-created -H 'content-type: application/json' -d '${order}'

  # what a sidecar knows about itself
  curl ${notifications}/metadata

Logs of the services and their sidecars are in ${logs}`;
}
