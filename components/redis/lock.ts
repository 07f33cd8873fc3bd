import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { defineLockStore, type LockRequest, type Unlocked } from "../contract/lock.ts";
import { choice, durationMs, flag, integer } from "../contract/settings.ts";
import { openClient } from "./client.ts";
import { script } from "./script.ts";
import { connectionSettings, unusedStreamSettings } from "./settings.ts";

// A lock is a STRING that holds its owner and ends by itself. Its fencing token stands beside it for as long; one count
// gives the tokens of all locks, so that nothing of an ended lock need be kept.

/** KEYS: lock, token, count; ARGV: owner, milliseconds. 1: the lock is the owner's now. */
const takeScript = script(`
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], redis.call('INCR', KEYS[3]), 'PX', ARGV[2])
return 1
`);

/** KEYS: lock, token; ARGV: owner. The published answers: 0 released, -1 no such lock, -2 somebody else's. */
const releaseScript = script(`
local owner = redis.call('GET', KEYS[1])
if not owner then return -1 end
if owner ~= ARGV[1] then return -2 end
redis.call('DEL', KEYS[1], KEYS[2])
return 0
`);

/** KEYS: lock, token; ARGV: owner, milliseconds. */
const renewScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
`);

/** KEYS: lock, token; ARGV: owner. */
const tokenScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('GET', KEYS[2])
`);

const countKey = "mecha||lock||fencing";
const keysOf = (resource: string) => [resource, `${resource}||fencing`];
const answers: Readonly<Record<number, Unlocked>> = { 0: "released", [-1]: "missing", [-2]: "foreign" };

const { redisType: _, ...otherSettings } = connectionSettings({
  redisMinRetryInterval: 8,
  redisMaxRetryInterval: 512,
});

export default defineLockStore({
  type: "lock.redis",
  status: "beta",
  summary: "Locks among all sidecars that use the same Redis server.",
  metadata: Type.Object({
    ...otherSettings,
    ...unusedStreamSettings,
    redisType: choice(["node", "cluster", "sentinel"], {
      default: "node",
      description: "Only node: where another server may take over, two owners could hold one lock.",
    }),
    maxRetries: Type.Optional(integer({ description: "No effect: redisMaxRetries says it." })),
    maxRetryBackoff: Type.Optional(durationMs({ unit: "s", description: "No effect: redisMaxRetryInterval says it." })),
    useEntraID: flag({ default: false, description: "Not offered; useOIDC gets tokens from any token server." }),
  }),
  capabilities: ["fencing"],
  async open(settings, context) {
    const { redisType, failover, useEntraID } = settings;
    if (redisType !== "node" || failover) {
      const key = failover ? "failover" : "redisType";
      throw fail("openFailed", {
        why: `${key}: locks need one server that nothing takes over from, or two owners could hold one lock; name such a server`,
      });
    }
    if (useEntraID) throw fail("openFailed", { why: "useEntraID: is not offered; use useOIDC, or a password" });
    const client = await openClient({ ...settings, redisType }, context);
    const ms = ({ expirySeconds }: LockRequest) => Math.max(1, Math.ceil(expirySeconds * 1000));
    return {
      async tryLock(request, call) {
        const { resource, owner } = request;
        // Done twice it would find its own lock and say no.
        const options = { once: true };
        return (
          (await client.run(takeScript, [...keysOf(resource), countKey], [owner, ms(request)], call, options)) === 1
        );
      },
      async unlock(resource, owner, call) {
        const answer = await client.run(releaseScript, keysOf(resource), [owner], call, { once: true });
        return answers[Number(answer)] ?? "missing";
      },
      async renew(request, call) {
        const { resource, owner } = request;
        return (await client.run(renewScript, keysOf(resource), [owner, ms(request)], call)) === 1;
      },
      async fencingToken(resource, owner, call) {
        const token = (await client.run(tokenScript, keysOf(resource), [owner], call)) as Buffer | null;
        return token ? BigInt(token.toString()) : undefined;
      },
      ping: (call) => client.ping(call),
      close: () => client.close(),
    };
  },
});
