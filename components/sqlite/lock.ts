import { Type } from "typebox";
import { defineLockStore, type LockRequest, type Unlocked } from "../contract/lock.ts";
import { clientSettings, openClient } from "./client.ts";

// One count for all resources: it grows for each of them, and ended locks need not be remembered.
const steps = [
  `CREATE TABLE mecha_locks (
    resource TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    token INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX mecha_locks_end ON mecha_locks (ends_at);
  CREATE TABLE mecha_lock_count (last INTEGER NOT NULL);
  INSERT INTO mecha_lock_count VALUES (0)`,
];

export default defineLockStore({
  type: "lock.sqlite",
  status: "beta",
  summary: "Locks among the sidecars of one machine that share a SQLite file.",
  metadata: Type.Object({ ...clientSettings }),
  capabilities: ["fencing"],
  async open(settings, context) {
    const client = await openClient(settings, context, (opened) => opened.migrate("mecha-lock", steps));
    const { clock } = context;
    // Each new lock takes a few ended ones along, so that the table does not grow.
    const sweep = client.prepare(
      "DELETE FROM mecha_locks WHERE resource IN (SELECT resource FROM mecha_locks WHERE ends_at <= ? LIMIT 4)",
    );
    const take = client.prepare(
      `INSERT INTO mecha_locks (resource, owner, token, ends_at)
        SELECT ?1, ?2, last + 1, ?3 FROM mecha_lock_count WHERE true
        ON CONFLICT (resource) DO UPDATE SET owner = excluded.owner, token = excluded.token, ends_at = excluded.ends_at
        WHERE mecha_locks.ends_at <= ?4`,
    );
    const count = client.prepare("UPDATE mecha_lock_count SET last = last + 1");
    const release = client.prepare("DELETE FROM mecha_locks WHERE resource = ? AND owner = ? AND ends_at > ?");
    const renew = client.prepare("UPDATE mecha_locks SET ends_at = ? WHERE resource = ? AND owner = ? AND ends_at > ?");
    const find = client.prepare("SELECT owner, token FROM mecha_locks WHERE resource = ? AND ends_at > ?");
    const endOf = ({ expirySeconds }: LockRequest) => clock.now() + Math.ceil(expirySeconds * 1000);
    return {
      tryLock: (request, call) =>
        client.write(
          () => {
            const { resource, owner } = request;
            const now = clock.now();
            sweep.run(now);
            const isTaken = take.run(resource, owner, endOf(request), now).changes === 1;
            if (isTaken) count.run();
            return isTaken;
          },
          call,
          { atomic: true },
        ),
      unlock: (resource, owner, call) =>
        client.write((): Unlocked => {
          if (release.run(resource, owner, clock.now()).changes === 1) return "released";
          return find.get(resource, clock.now()) ? "foreign" : "missing";
        }, call),
      renew: (request, call) =>
        client.write(() => {
          const { resource, owner } = request;
          return renew.run(endOf(request), resource, owner, clock.now()).changes === 1;
        }, call),
      fencingToken: (resource, owner, call) =>
        client.read(() => {
          const row = find.get(resource, clock.now());
          return row?.["owner"] === owner ? BigInt(row["token"] as number) : undefined;
        }, call),
      close: () => client.close(),
    };
  },
});
