import type { Clock, Log } from "../../components/contract/driver.ts";
import type { Resolver } from "../../components/contract/name-resolution.ts";
import { causeText, fail } from "../../specs/errors.ts";
import { pause } from "../kernel/clock.ts";
import type { GrpcTarget, HttpTarget, Peers } from "../kernel/exchange.ts";
import { PeerClient } from "./client.ts";

export interface PeersOptions {
  readonly resolver: Resolver;
  readonly log: Log;
  readonly clock: Clock;
}

export interface OpenedPeers extends Peers {
  /** Cuts what is in flight. Idempotent. */
  close(): Promise<void>;
}

const keepMs = 20_000;
const retries = 5;
const retryPauseMs = 100;

/** Several addresses of one app, taken in turn. */
interface Addresses {
  readonly list: string[];
  readonly until: number;
  next: number;
}

/**
 * Finds peers by the name resolution. The addresses of an app that runs several times are kept for 20 s and taken in turn;
 * one that does not answer is dropped, so that the next try goes elsewhere. A single address is asked for each time:
 * the resolver knows best how long it is good for.
 */
export function openPeers({ resolver, clock, log }: PeersOptions): OpenedPeers {
  const client = new PeerClient(clock);
  const kept = new Map<string, Addresses>();
  /** Apps that were found before: an empty answer for one of them is more likely a hiccup than the truth. */
  const seen = new Set<string>();

  const target = (key: string, appId: string, address: string): HttpTarget & GrpcTarget =>
    client.target(appId, address, () => drop(kept, key, address));

  return {
    async find(appId, namespace, signal) {
      const key = `${namespace}/${appId}`;
      const addresses = kept.get(key);
      if (addresses && addresses.list.length > 0 && clock.now() < addresses.until)
        return target(key, appId, inTurn(addresses));
      kept.delete(key);
      const found = await resolve(resolver, appId, namespace, signal, clock, seen.has(key) ? retries : 0);
      const [first] = found;
      if (first === undefined)
        throw fail("invokeNotResolved", { id: appId, known: await knownApps(resolver, signal, log) });
      seen.add(key);
      if (found.length === 1) return target(key, appId, first);
      // Sidecars that start together must not all begin with the same one.
      const fresh = { list: [...found], until: clock.now() + keepMs, next: Math.floor(Math.random() * found.length) };
      kept.set(key, fresh);
      return target(key, appId, inTurn(fresh));
    },
    async close() {
      client.close();
      kept.clear();
    },
  };
}

function inTurn(addresses: Addresses): string {
  addresses.next = (addresses.next + 1) % addresses.list.length;
  return addresses.list[addresses.next] as string;
}

function drop(kept: Map<string, Addresses>, key: string, address: string): void {
  const list = kept.get(key)?.list;
  const at = list?.indexOf(address) ?? -1;
  if (at >= 0) list?.splice(at, 1);
}

async function resolve(
  resolver: Resolver,
  appId: string,
  namespace: string,
  signal: AbortSignal,
  clock: Clock,
  tries: number,
): Promise<readonly string[]> {
  const found = await resolver.resolve(appId, namespace, { signal });
  if (found.length > 0 || tries === 0) return found;
  await pause(clock, retryPauseMs, signal);
  return resolve(resolver, appId, namespace, signal, clock, tries - 1);
}

async function knownApps(resolver: Resolver, signal: AbortSignal, log: Log): Promise<string> {
  try {
    const known = (await resolver.known?.({ signal })) ?? [];
    return [...new Set(known)].sort().join(", ");
  } catch (error) {
    log.debug("the name resolution cannot list apps", { cause: causeText(error) });
    return "";
  }
}
