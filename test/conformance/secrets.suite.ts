import { expect, test } from "vitest";
import type { SecretDriver } from "../../components/contract/secrets.ts";
import { type Given, openDriver } from "../support/open-driver.ts";

/** A secret store under test. */
export interface SecretTarget {
  readonly driver: SecretDriver;
  /** The server it needs is not on this machine, which has been reported; its cases are skipped. */
  readonly isMissing?: boolean;
  /** Puts the secrets where the driver finds them and gives the settings; called inside a test. */
  prepare(secrets: Readonly<Record<string, string>>): Given | Promise<Given>;
  /** A shortest secret that its backend keeps; default: the empty one. */
  readonly shortest?: string;
  /** What an absent secret gives; absent: a rejection with `secretNotFound`. */
  readonly absent?: (name: string) => Readonly<Record<string, string>>;
}

/** What every secret store must do. */
export function secretSuite({ driver, prepare, shortest = "", absent }: SecretTarget): void {
  const open = async (secrets: Readonly<Record<string, string>>) => openDriver(driver, await prepare(secrets));

  test("a secret is read by its name", async () => {
    const store = await open({ password: "hunter2" });
    expect(await store.get("password", {}, {})).toEqual({ password: "hunter2" });
  });

  test("text of any alphabet comes back unchanged", async () => {
    const store = await open({ text: 'ключ "quoted" \\ 鍵 =' });
    expect(await store.get("text", {}, {})).toEqual({ text: 'ключ "quoted" \\ 鍵 =' });
  });

  test("an absent secret is told apart from an empty one as the store promises", async () => {
    const store = await open({ empty: shortest });
    expect(await store.get("empty", {}, {})).toEqual({ empty: shortest });
    const answer = store.get("nowhere", {}, {});
    if (absent) expect(await answer).toEqual(absent("nowhere"));
    else await expect(answer).rejects.toMatchObject({ reason: "secretNotFound", params: { name: "nowhere" } });
  });

  test("names of what every object has are not secrets", async () => {
    const store = await open({ real: "1" });
    for (const name of ["constructor", "__proto__", "toString"]) {
      const answer = store.get(name, {}, {});
      if (absent) expect(await answer).toEqual({ [name]: "" });
      else await expect(answer).rejects.toMatchObject({ reason: "secretNotFound" });
    }
  });

  test("all secrets are read at once, each under its own name", async () => {
    const store = await open({ one: "1", two: "2" });
    expect(await store.getAll({}, {})).toMatchObject({ one: { one: "1" }, two: { two: "2" } });
  });

  test("closing twice is closing once", async () => {
    const store = await open({ one: "1" });
    await store.close();
    await store.close();
  });
}
