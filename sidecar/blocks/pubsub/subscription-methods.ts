import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Call, Clock } from "../../../components/contract/driver.ts";
import { fail } from "../../../specs/errors.ts";
import { Mecha, type ParkedMessageSchema } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { type AnyMethod, method } from "../../kernel/method.ts";
import type { Brokers } from "./brokers.ts";
import { count, type Redriven, redriveTopic } from "./dead-letters.ts";
import type { Delivery } from "./delivery.ts";
import type { DeliveryStores } from "./delivery-store.ts";
import { type ParkedMessage, Parking } from "./parking.ts";
import type { Fate } from "./settling.ts";
import type { SubscriptionStatus, Subscriptions } from "./subscriptions.ts";

export interface SubscriptionMethodsDeps {
  readonly subscriptions: Subscriptions;
  /** Subscriptions of streams, which cannot be paused. */
  readonly streams: { statuses(): readonly SubscriptionStatus[] };
  readonly brokers: Brokers;
  readonly stores: DeliveryStores;
  readonly clock: Clock;
}

const group = "subscribe";
const root = "/v1.0-alpha1/subscriptions";
const one = `${root}/:pubsubName/:topic`;
const defaultLimit = 100;
const maxLimit = 1000;
/** Delivered at once when many are redriven. */
const parallel = 16;

/** Subscriptions while they run: how they are, pause and resume, and their parked messages. */
export function subscriptionMethods(deps: SubscriptionMethodsDeps): readonly AnyMethod[] {
  return [list(deps), pause(deps), resume(deps), listParked(deps), redrive(deps), drop(deps)];
}

interface Reference {
  readonly pubsubName: string;
  readonly topic: string;
}

function notFound({ subscriptions, streams }: SubscriptionMethodsDeps, { pubsubName, topic }: Reference) {
  if (streams.statuses().some((status) => status.pubsubName === pubsubName && status.topic === topic)) {
    return fail("subscriptionNotFound", { name: pubsubName, topic, why: "it is a stream; its client ends it" });
  }
  const known = subscriptions.statuses().map((status) => `${status.pubsubName}/${status.topic}`);
  const why = known.length > 0 ? `the app subscribes to ${known.join(", ")}` : "the app has no subscription";
  return fail("subscriptionNotFound", { name: pubsubName, topic, why });
}

const list = ({ subscriptions, streams }: SubscriptionMethodsDeps) =>
  method(Mecha.method.listSubscriptions, group, { verbs: ["GET"], paths: [root] }, async () => ({
    subscriptions: [...subscriptions.statuses(), ...streams.statuses()].map(
      ({ pubsubName, topic, origin, state, why = "", deadLetterTopic = "" }) => ({
        pubsubName,
        topic,
        origin,
        state,
        why,
        deadLetterTopic,
      }),
    ),
  }));

const pause = (deps: SubscriptionMethodsDeps) =>
  method(
    Mecha.method.pauseSubscription,
    group,
    { verbs: ["POST"], paths: [`${one}/pause`] },
    async ({ pubsubName, topic }) => {
      if (!(await deps.subscriptions.pause(pubsubName, topic))) throw notFound(deps, { pubsubName, topic });
      return {};
    },
  );

const resume = (deps: SubscriptionMethodsDeps) =>
  method(
    Mecha.method.resumeSubscription,
    group,
    { verbs: ["POST"], paths: [`${one}/resume`] },
    async ({ pubsubName, topic }) => {
      if (!deps.subscriptions.resume(pubsubName, topic)) throw notFound(deps, { pubsubName, topic });
      return {};
    },
  );

const parkingOf = ({ brokers, stores, clock }: SubscriptionMethodsDeps, { pubsubName, topic }: Reference): Parking =>
  new Parking(stores, brokers.require(pubsubName), topic, clock);

const listParked = (deps: SubscriptionMethodsDeps) =>
  method(
    Mecha.method.listParkedMessages,
    group,
    {
      verbs: ["GET"],
      paths: [`${one}/parked`],
      input: (http) => ({
        pubsubName: http.params["pubsubName"] ?? "",
        topic: http.params["topic"] ?? "",
        cursor: http.query("cursor") ?? "",
        limit: readLimit(http.query("limit")),
      }),
    },
    async ({ pubsubName, topic, cursor, limit }, request) => {
      if (limit < 0 || limit > maxLimit)
        throw fail("malformedRequest", { why: `limit must be 1 to ${maxLimit}, got ${limit}` });
      const parking = parkingOf(deps, { pubsubName, topic });
      const page = await parking.list(limit || defaultLimit, cursor || undefined, request);
      return { messages: page.messages.map(toMessage), cursor: page.cursor ?? "" };
    },
  );

/** -1: it is no number. */
const readLimit = (text: string | undefined): number =>
  text === undefined || text === "" ? 0 : /^\d{1,6}$/.test(text) ? Number(text) : -1;

function toMessage({
  id,
  attempts,
  error,
  parkedAt,
  message,
}: ParkedMessage): MessageInitShape<typeof ParkedMessageSchema> {
  const { topic, data, metadata } = message;
  return { id, attempts, error, parkedAt: new Date(parkedAt).toISOString(), topic, data, metadata: { ...metadata } };
}

const redrive = (deps: SubscriptionMethodsDeps) =>
  method(
    Mecha.method.redriveMessages,
    group,
    { verbs: ["POST"], paths: [`${one}/redrive`] },
    async ({ pubsubName, topic, ids, from }, request) => {
      const delivery = requireDelivery(deps, { pubsubName, topic });
      if (from !== "") {
        if (ids.length > 0) throw fail("malformedRequest", { why: "ids name parked messages; leave them or from out" });
        if (from === topic) throw fail("malformedRequest", { why: "from is the topic of the subscription itself" });
        const broker = deps.brokers.require(pubsubName);
        return redriveTopic({ broker, from, topic, delivery, clock: deps.clock }, request);
      }
      const parking = parkingOf(deps, { pubsubName, topic });
      const redriven: Redriven = { delivered: 0, failed: 0, held: 0 };
      await eachParked(parking, ids, request, async (id) => {
        count(redriven, await redriveOne(parking, delivery, id, request));
      });
      return redriven;
    },
  );

function requireDelivery(deps: SubscriptionMethodsDeps, { pubsubName, topic }: Reference): Delivery {
  const delivery = deps.subscriptions.delivery(pubsubName, topic);
  if (delivery) return delivery;
  const status = deps.subscriptions.statuses().find((one) => one.pubsubName === pubsubName && one.topic === topic);
  if (!status) throw notFound(deps, { pubsubName, topic });
  const hint = status.state === "paused" ? "; resume it first" : status.why ? `: ${status.why}` : "";
  throw fail("subscriptionNotFound", { name: pubsubName, topic, why: `it is ${status.state}${hint}` });
}

async function redriveOne(parking: Parking, delivery: Delivery, id: string, call: Call): Promise<Fate> {
  const { message } = await parking.get(id, call);
  const fate = await delivery.redrive({ ...message, attempt: 1 });
  // It has been taken, or is kept anew elsewhere.
  if (fate !== "retry") await parking.remove(id, {});
  return fate;
}

const drop = (deps: SubscriptionMethodsDeps) =>
  method(
    Mecha.method.dropParkedMessages,
    group,
    { verbs: ["POST"], paths: [`${one}/parked/drop`] },
    async ({ pubsubName, topic, ids }, request) => {
      const parking = parkingOf(deps, { pubsubName, topic });
      let dropped = 0;
      await eachParked(parking, ids, request, async (id) => {
        await parking.get(id, request);
        await parking.remove(id, request);
        dropped += 1;
      });
      return { dropped };
    },
  );

/** Does the work for these messages, several at once; without ids for all that are parked when it begins. */
async function eachParked(
  parking: Parking,
  ids: readonly string[],
  call: Call,
  work: (id: string) => Promise<void>,
): Promise<void> {
  const wanted = ids.length > 0 ? ids : await allIds(parking, call);
  const rest = wanted.values();
  const worker = async () => {
    for (const id of rest) {
      call.signal?.throwIfAborted();
      await work(id);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, wanted.length) }, worker));
}

async function allIds(parking: Parking, call: Call): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const page = await parking.ids(maxLimit, cursor, call);
    ids.push(...page.ids);
    cursor = page.cursor;
  }
  return ids;
}
