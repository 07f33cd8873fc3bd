import { expect, test } from "vitest";
import type {
  ConfigurationDriver,
  ConfigurationItems,
  ConfigurationStore,
} from "../../components/contract/configuration.ts";
import { type Bench, fresh, openBench, type Target } from "./target.ts";

type Written = Readonly<Record<string, { readonly value: string; readonly version?: string }>>;

export interface ConfigurationTarget extends Target<ConfigurationDriver> {
  /** Writes items where the store has no `put` of its own. */
  readonly put?: (items: Written) => Promise<void>;
  /** Deletes items where the store has no `remove` of its own. */
  readonly remove?: (keys: readonly string[]) => Promise<void>;
}

type OpenConfiguration = () => Promise<
  Bench<ConfigurationStore> & Required<Pick<ConfigurationTarget, "put" | "remove">>
>;

/** What every configuration store must do. */
export function configurationSuite(target: ConfigurationTarget): void {
  const open: OpenConfiguration = async () => {
    const bench = await openBench(target);
    const { opened } = bench;
    return {
      ...bench,
      put: target.put ?? ((items) => opened.put?.(items, {}) ?? Promise.reject(new Error("the target cannot write"))),
      remove: target.remove ?? ((keys) => opened.remove?.(keys, {}) ?? Promise.reject(new Error("it cannot delete"))),
    };
  };
  getCases(open);
  subscribeCases(open);
  endCases(open);
}

function getCases(open: OpenConfiguration): void {
  test("items are read by their keys, absent ones are left out", async () => {
    const { opened, put } = await open();
    const [a, b, absent] = [fresh("a"), fresh("b"), fresh("c")];
    await put({ [a]: { value: "1", version: "v1" }, [b]: { value: "zwei ü" } });
    const items = await opened.get([a, absent], {}, {});
    expect(items).toMatchObject({ [a]: { value: "1", version: "v1" } });
    expect(Object.keys(items)).toEqual([a]);
    expect((await opened.get([b], {}, {}))[b]?.value).toBe("zwei ü");
  });

  test("all items are read when no key is named", async () => {
    const { opened, put } = await open();
    const [a, b] = [fresh("a"), fresh("b")];
    await put({ [a]: { value: "1" }, [b]: { value: "2" } });
    expect(await opened.get([], {}, {})).toMatchObject({ [a]: { value: "1" }, [b]: { value: "2" } });
  });

  test("an item has its latest value, and is absent once it is deleted", async () => {
    const { opened, put, remove } = await open();
    const key = fresh("k");
    await put({ [key]: { value: "1" } });
    await put({ [key]: { value: "2" } });
    expect((await opened.get([key], {}, {}))[key]?.value).toBe("2");
    await remove([key]);
    expect(await opened.get([key], {}, {})).toEqual({});
  });
}

/** A subscriber that keeps what it was told. */
function listener() {
  const told: ConfigurationItems[] = [];
  return {
    told,
    onChange: (items: ConfigurationItems) => void told.push(items),
    values: () => told.flatMap((items) => Object.entries(items).map(([key, { value }]) => [key, value])),
  };
}

function subscribeCases(open: OpenConfiguration): void {
  test("a subscriber hears of changes of its keys, not of others and not of what stood before", async () => {
    const { opened, put, until } = await open();
    const [key, other] = [fresh("a"), fresh("b")];
    await put({ [key]: { value: "before" } });
    const { onChange, values } = listener();
    await opened.subscribe([key], {}, onChange, {});
    await put({ [other]: { value: "1" } });
    await put({ [key]: { value: "after" } });
    await until(() => values().length > 0);
    expect(values()).toEqual([[key, "after"]]);
  });

  test("a subscriber of all keys hears of every change", async () => {
    const { opened, put, until } = await open();
    const [a, b] = [fresh("a"), fresh("b")];
    const { onChange, values } = listener();
    await opened.subscribe([], {}, onChange, {});
    await put({ [a]: { value: "1" } });
    await put({ [b]: { value: "2" } });
    const mine = () => values().filter(([key]) => key === a || key === b);
    await until(() => mine().length === 2);
    expect(mine()).toEqual([
      [a, "1"],
      [b, "2"],
    ]);
  });

  test("a deleted item is told with an empty value, and an item that comes back with its new one", async () => {
    const { opened, put, remove, until } = await open();
    const key = fresh("k");
    await put({ [key]: { value: "1" } });
    const { onChange, values } = listener();
    await opened.subscribe([key], {}, onChange, {});
    await remove([key]);
    await until(() => values().length === 1);
    await put({ [key]: { value: "2" } });
    await until(() => values().length === 2);
    expect(values()).toEqual([
      [key, ""],
      [key, "2"],
    ]);
  });

  test("several subscribers hear of the same change", async () => {
    const { opened, put, until } = await open();
    const key = fresh("k");
    const [one, two] = [listener(), listener()];
    await opened.subscribe([key], {}, one.onChange, {});
    await opened.subscribe([key], {}, two.onChange, {});
    await put({ [key]: { value: "1" } });
    await until(() => one.told.length === 1 && two.told.length === 1);
  });
}

function endCases(open: OpenConfiguration): void {
  test("a closed subscription hears nothing more", async () => {
    const { opened, put, until } = await open();
    const key = fresh("k");
    const [closed, open_] = [listener(), listener()];
    const subscription = await opened.subscribe([key], {}, closed.onChange, {});
    await opened.subscribe([key], {}, open_.onChange, {});
    await subscription.close();
    await subscription.close();
    await put({ [key]: { value: "1" } });
    await until(() => open_.told.length === 1);
    expect(closed.told).toEqual([]);
  });

  test("closing twice is closing once, with a subscription open", async () => {
    const { opened } = await open();
    await opened.subscribe([], {}, listener().onChange, {});
    await opened.close();
    await opened.close();
  });
}
