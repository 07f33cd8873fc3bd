import type { Clock } from "../../../components/contract/driver.ts";
import type { LockStore } from "../../../components/contract/lock.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { UnlockResponse_Status as Status } from "../../../specs/gen/dapr/proto/runtime/v1/lock_pb.js";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { pause } from "../../kernel/clock.ts";
import { type Component, type Components, requireComponent } from "../../kernel/components.ts";
import { type AnyMethod, method } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";

export interface LockParts {
  readonly appId: string;
  readonly clock: Clock;
}

/** The fields that taking and renewing a lock have in common. */
interface Wanted {
  readonly storeName: string;
  readonly resourceId: string;
  readonly lockOwner: string;
  readonly expiryInSeconds: number;
}

/** How often a waiting caller asks again. */
const pollMs = 50;

const statuses = {
  released: Status.SUCCESS,
  missing: Status.LOCK_DOES_NOT_EXIST,
  foreign: Status.LOCK_BELONGS_TO_OTHERS,
} as const;

/** The lock API: as published, and beyond it waiting, renewing and fencing. */
export function lockMethods(components: Components, parts: LockParts): readonly AnyMethod[] {
  const find = (name: string) =>
    requireComponent(components, "lock", name, {
      none: () => fail("lockNotConfigured", {}),
      unknown: (unknown, known) => fail("lockStoreNotFound", { name: unknown, known }),
    });
  /** Checks the request before the store is looked up, as the published API does. */
  const open = (wanted: Wanted): { store: LockStore & Fencing; resource: string } => {
    check(wanted, wanted.expiryInSeconds);
    const component = find(wanted.storeName);
    return { store: component.opened, resource: resourceKey(component, wanted.resourceId, parts.appId) };
  };
  return [tryLock(open), unlock(find, parts.appId), acquire(open, parts.clock), renew(open)];
}

interface Fencing {
  fencingToken?(resource: string, owner: string, call: { signal?: AbortSignal }): Promise<bigint | undefined>;
}
type Open = (wanted: Wanted) => { store: LockStore & Fencing; resource: string };

function check({ storeName, resourceId, lockOwner }: Omit<Wanted, "expiryInSeconds">, expirySeconds?: number): void {
  const bad = (why: string) => fail("lockRequest", { name: storeName, why });
  if (resourceId === "") throw bad("field resourceId is empty");
  if (lockOwner === "") throw bad("field lockOwner is empty");
  if (expirySeconds !== undefined && expirySeconds <= 0) throw bad("field expiryInSeconds is not over 0");
}

/** `lock||<prefix>||<resource>`, the prefix as `keyPrefix` says. Throws `lockRequest` when a part would look like two. */
export function resourceKey({ name, runtime }: Component<"lock">, resource: string, appId: string): string {
  if (resource.includes("||")) throw fail("lockRequest", { name, why: "field resourceId contains '||'" });
  const strategy = String(runtime["keyPrefix"] ?? "appid");
  const prefix = { appid: appId, "": appId, name }[strategy.toLowerCase()] ?? strategy;
  return strategy.toLowerCase() === "none" ? `lock||${resource}` : `lock||${prefix}||${resource}`;
}

const failed = (reason: "lockTry" | "lockRenew" | "lockUnlock", name: string, error: unknown): MechaError =>
  error instanceof MechaError && error.row.code === "invalid_argument"
    ? error
    : fail(reason, { name, cause: causeText(error) }, { cause: error });

const tryLock = (open: Open) =>
  method(
    Dapr.method.tryLockAlpha1,
    "lock",
    {
      verbs: ["POST"],
      paths: ["/v1.0-alpha1/lock/:storeName"],
      output: ({ success }) => ({ status: 200, body: JSON.stringify({ success: success === true }) }),
    },
    async (wanted, request) => {
      const { store, resource } = open(wanted);
      try {
        return {
          success: await store.tryLock(
            { resource, owner: wanted.lockOwner, expirySeconds: wanted.expiryInSeconds },
            request,
          ),
        };
      } catch (error) {
        throw failed("lockTry", wanted.storeName, error);
      }
    },
  );

const unlock = (find: (name: string) => Component<"lock">, appId: string) =>
  method(
    Dapr.method.unlockAlpha1,
    "unlock",
    {
      verbs: ["POST"],
      paths: ["/v1.0-alpha1/unlock/:storeName"],
      output: ({ status }) => ({ status: 200, body: JSON.stringify({ status: status ?? 0 }) }),
    },
    async (wanted, request) => {
      check(wanted);
      const component = find(wanted.storeName);
      try {
        const outcome = await component.opened.unlock(
          resourceKey(component, wanted.resourceId, appId),
          wanted.lockOwner,
          request,
        );
        return { status: statuses[outcome] };
      } catch (error) {
        throw failed("lockUnlock", wanted.storeName, error);
      }
    },
  );

const acquire = (open: Open, clock: Clock) =>
  method(
    Mecha.method.acquireLock,
    "lock",
    {
      verbs: ["POST"],
      paths: ["/v1.0-alpha1/lock/:storeName/acquire"],
      output: ({ success, fencingToken }) => ({
        status: 200,
        body: JSON.stringify({
          success: success === true,
          ...(fencingToken === undefined ? {} : { fencingToken: String(fencingToken) }),
        }),
      }),
    },
    async (wanted, request) => {
      const { store, resource } = open(wanted);
      if (wanted.waitInSeconds < 0)
        throw fail("lockRequest", { name: wanted.storeName, why: "field waitInSeconds is below 0" });
      const lock = { resource, owner: wanted.lockOwner, expirySeconds: wanted.expiryInSeconds };
      try {
        const success = await waitFor(store, lock, clock, wanted.waitInSeconds * 1000, request);
        // Nobody is there any more to use it or to give it back.
        if (success && wanted.waitInSeconds > 0 && request.signal.aborted) await store.unlock(resource, lock.owner, {});
        const fencingToken = success ? await store.fencingToken?.(resource, lock.owner, request) : undefined;
        return { success, ...(fencingToken === undefined ? {} : { fencingToken }) };
      } catch (error) {
        throw failed("lockTry", wanted.storeName, error);
      }
    },
  );

async function waitFor(
  store: LockStore,
  lock: Parameters<LockStore["tryLock"]>[0],
  clock: Clock,
  waitMs: number,
  request: Request,
): Promise<boolean> {
  const end = clock.now() + waitMs;
  for (;;) {
    if (await store.tryLock(lock, request)) return true;
    const left = end - clock.now();
    if (left <= 0) return false;
    await pause(clock, Math.min(pollMs, left), request.signal);
  }
}

const renew = (open: Open) =>
  method(
    Mecha.method.renewLock,
    "lock",
    {
      verbs: ["POST"],
      paths: ["/v1.0-alpha1/lock/:storeName/renew"],
      output: ({ success }) => ({ status: 200, body: JSON.stringify({ success: success === true }) }),
    },
    async (wanted, request) => {
      const { store, resource } = open(wanted);
      try {
        return {
          success: await store.renew(
            { resource, owner: wanted.lockOwner, expirySeconds: wanted.expiryInSeconds },
            request,
          ),
        };
      } catch (error) {
        throw failed("lockRenew", wanted.storeName, error);
      }
    },
  );
