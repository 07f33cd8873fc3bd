import { join } from "node:path";
import { expect, test } from "vitest";
import type { ResolverDriver } from "../../components/contract/name-resolution.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** A resolver under test. */
export interface ResolverTarget {
  readonly driver: ResolverDriver;
  /** Settings under which the app `orders` is found at `addresses`, by itself or once its sidecars register. */
  prepare(addresses: readonly string[]): Promise<Given> | Given;
  /** Sidecars register themselves; the suite opens one resolver for each. */
  readonly registry?: true;
  /** Any app is said to be found, as nobody is asked; this is where `orders` is said to be. */
  readonly guesses?: string;
  /** The machine lacks what the driver needs, which has been reported; its cases are skipped. */
  readonly isMissing?: boolean;
}

/** What every resolver must do. */
export function nameResolutionSuite(target: ResolverTarget): void {
  const { driver, registry, guesses } = target;

  /** Opens a resolver that looks, and, with a registry, one for each sidecar of the app. */
  async function opened(addresses: readonly string[]) {
    const settings = await target.prepare(addresses);
    const dataDir = join(tempFolder(), "data");
    const open = () => openDriver(driver, settings, openContext({ dataDir }));
    const resolver = await open();
    const sidecars = await Promise.all((registry ? addresses : []).map(open));
    await Promise.all(
      sidecars.map((sidecar, i) =>
        sidecar.register({ appId: "orders", namespace: "default", address: addresses[i] as string }, {}),
      ),
    );
    return { resolver, sidecars };
  }

  const found = async (resolver: { resolve: ResolveOne }, count: number) => {
    // Sidecars of a network are heard of one after the other.
    await expect.poll(async () => (await resolver.resolve("orders", "default", {})).length).toBe(count);
    return [...(await resolver.resolve("orders", "default", {}))].sort();
  };

  test("the sidecar of an app is found", async () => {
    const { resolver } = await opened(["127.0.0.1:5001"]);
    expect(await found(resolver, 1)).toEqual([guesses ?? "127.0.0.1:5001"]);
  });

  if (guesses === undefined)
    test("all sidecars of an app are found", async () => {
      const { resolver } = await opened(["127.0.0.1:5001", "127.0.0.2:5001"]);
      expect(await found(resolver, 2)).toEqual(["127.0.0.1:5001", "127.0.0.2:5001"]);
    });

  test("an app that nobody knows has no address, unless all are guessed", async () => {
    const { resolver } = await opened(["127.0.0.1:5001"]);
    expect(await resolver.resolve("nobody", "default", {})).toHaveLength(guesses ? 1 : 0);
  });

  if (registry)
    test("a sidecar that has closed is no longer found", async () => {
      const { resolver, sidecars } = await opened(["127.0.0.1:5001", "127.0.0.2:5001"]);
      await found(resolver, 2);
      await sidecars[0]?.close();
      expect(await found(resolver, 1)).toEqual(["127.0.0.2:5001"]);
    });

  test("where apps can be listed, the app is", async () => {
    const { resolver } = await opened(["127.0.0.1:5001"]);
    await found(resolver, 1);
    expect((await resolver.known?.({})) ?? ["orders"]).toContain("orders");
  });

  test("closing twice is closing once", async () => {
    const { resolver } = await opened(["127.0.0.1:5001"]);
    await resolver.close();
    await resolver.close();
  });
}

type ResolveOne = (appId: string, namespace: string, call: object) => Promise<readonly string[]>;
