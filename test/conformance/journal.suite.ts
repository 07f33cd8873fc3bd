import { describe, expect, test } from "vitest";
import type { Journal, JournalRecord } from "../../components/contract/journal.ts";
import type { StateDriver } from "../../components/contract/state.ts";
import { bytes, fresh, openBench, type Target, toText } from "./target.ts";

const put = (key: string, text: string) => ({ key, data: bytes(text) });
const remove = (key: string) => ({ key, data: undefined });
const shown = (records: readonly (JournalRecord | undefined)[]) =>
  records.map((record) => record && `${record.key}=${toText(record.data)}`);

/** What every journal must do. `isPrivate`: a second opening sees nothing of the first. */
export function journalSuite(target: Target<StateDriver> & { readonly isPrivate?: boolean }): void {
  /** A journal and a space of its own. */
  const open = async (): Promise<{ journal: Journal; space: string; reopen(): Promise<Journal> }> => {
    const bench = await openBench(target);
    const journalOf = (store: unknown) => (store as { readonly journal: Journal }).journal;
    return {
      journal: journalOf(bench.opened),
      space: fresh("space"),
      reopen: async () => journalOf(await bench.reopen()),
    };
  };

  describe("its journal", () => {
    test("gives back what was committed, byte for byte, in the order that was asked for", async () => {
      const { journal, space } = await open();
      const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const version = await journal.commit(
        space,
        { writes: [{ key: "b", data }, put("a", ""), put("ä/€ 😀", "x")] },
        {},
      );
      const records = await journal.read(space, ["ä/€ 😀", "none", "b", "a"], {});
      expect(shown(records)[0]).toBe("ä/€ 😀=x");
      expect(records[1]).toBeUndefined();
      expect(Buffer.compare(records[2]?.data ?? Buffer.alloc(0), data)).toBe(0);
      expect(records[3]?.data).toHaveLength(0);
      expect(records.map((record) => record?.version)).toEqual([version, undefined, version, version]);
      expect(await journal.read(space, [], {})).toEqual([]);
    });

    test("scans a range in ascending order of bytes, up to its limit and to its end", async () => {
      const { journal, space } = await open();
      const keys = ["a", "a/1", "a/10", "a/2", "a0", "b", "ä", "😀", "\uffee"];
      await journal.commit(space, { writes: [...keys].reverse().map((key) => put(key, "x")) }, {});
      const scan = async (from: string, to?: string, limit = 100) =>
        (await journal.scan(space, { from, to, limit }, {})).map(({ key }) => key);
      const sorted = [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
      expect(await scan("")).toEqual(sorted);
      expect(await scan("a/", "a0")).toEqual(["a/1", "a/10", "a/2"]);
      expect(await scan("a/", "a0", 2)).toEqual(["a/1", "a/10"]);
      expect(await scan("a/10\0", "a0")).toEqual(["a/2"]);
      expect(await scan("b", "b")).toEqual([]);
      expect(await scan("zz", "zzz")).toEqual([]);
    });

    test("keeps spaces apart", async () => {
      const { journal, space } = await open();
      await journal.commit(space, { writes: [put("k", "1")] }, {});
      await journal.commit(`${space}0`, { writes: [put("k", "2")] }, {});
      await journal.commit(space, { writes: [remove("k")] }, {});
      expect(shown(await journal.scan(`${space}0`, { from: "", limit: 10 }, {}))).toEqual(["k=2"]);
      expect(await journal.scan(space, { from: "", limit: 10 }, {})).toEqual([]);
    });

    test("writes nothing unless every condition holds", async () => {
      const { journal, space } = await open();
      const version = await journal.commit(space, { writes: [put("lease", "1"), put("log", "a")] }, {});
      const later = await journal.commit(space, { writes: [put("lease", "2")] }, {});
      expect(later).toBeGreaterThan(version);
      const attempts = [
        { key: "lease", version },
        { key: "lease", version: undefined },
        { key: "none", version: later },
      ];
      for (const condition of attempts) {
        const commit = { conditions: [condition, { key: "log", version }], writes: [put("log", "b"), remove("lease")] };
        await expect(journal.commit(space, commit, {})).rejects.toMatchObject({ reason: "journalConflict" });
      }
      expect(shown(await journal.scan(space, { from: "", limit: 10 }, {}))).toEqual(["lease=2", "log=a"]);
      const conditions = [
        { key: "lease", version: later },
        { key: "log", version },
        { key: "new", version: undefined },
      ];
      await journal.commit(space, { conditions, writes: [put("log", "b"), put("new", "c"), remove("lease")] }, {});
      expect(shown(await journal.scan(space, { from: "", limit: 10 }, {}))).toEqual(["log=b", "new=c"]);
    });

    test("versions grow even when all records of a space have been deleted", async () => {
      const { journal, space } = await open();
      const first = await journal.commit(space, { writes: [put("k", "1")] }, {});
      await journal.commit(space, { writes: [remove("k")] }, {});
      expect(await journal.commit(space, { writes: [put("k", "1")] }, {})).toBeGreaterThan(first);
    });

    test("of writers that saw the same version one wins, and no increment is lost", async () => {
      const { journal, space, reopen } = await open();
      const members = [journal, await reopen(), await reopen()];
      if (target.isPrivate) members.splice(1);
      const each = 20;
      let conflicts = 0;
      const increment = async (member: Journal) => {
        for (let done = 0; done < each; ) {
          const [record] = await member.read(space, ["n"], {});
          const next = Number(toText(record?.data) ?? 0) + 1;
          const conditions = [{ key: "n", version: record?.version }];
          const writes = [put("n", String(next)), put(`log/${String(next).padStart(4, "0")}`, "x")];
          try {
            await member.commit(space, { conditions, writes }, {});
            done += 1;
          } catch (error) {
            expect(error).toMatchObject({ reason: "journalConflict" });
            conflicts += 1;
          }
        }
      };
      await Promise.all([...members, ...members].map(increment));
      const count = each * members.length * 2;
      expect(shown(await journal.read(space, ["n"], {}))).toEqual([`n=${count}`]);
      expect(await journal.scan(space, { from: "log/", to: "log0", limit: 1000 }, {})).toHaveLength(count);
      expect(conflicts).toBeGreaterThan(0);
    });

    test("a commit of a thousand records and of a megabyte is one commit", async () => {
      const { journal, space } = await open();
      const writes = Array.from({ length: 1000 }, (_, n) => put(`k${String(n).padStart(4, "0")}`, String(n)));
      await journal.commit(space, { writes: [...writes, { key: "large", data: Buffer.alloc(1 << 20, "x") }] }, {});
      const records = await journal.scan(space, { from: "", limit: 10_000 }, {});
      expect(records).toHaveLength(1001);
      expect(new Set(records.map(({ version }) => version)).size).toBe(1);
      expect(records.at(-1)?.data).toHaveLength(1 << 20);
    });

    test.skipIf(target.isPrivate)("is there when the store is opened again", async () => {
      const { journal, space, reopen } = await open();
      const version = await journal.commit(space, { writes: [put("k", "1")] }, {});
      const again = await reopen();
      expect((await again.read(space, ["k"], {}))[0]).toMatchObject({ key: "k", version });
    });
  });
}
