import { Type } from "typebox";
import { defineResolver } from "../contract/name-resolution.ts";
import { durationMs, text } from "../contract/settings.ts";
import { clientSettings, openClient } from "./client.ts";
import { Hosts } from "./hosts.ts";

export default defineResolver({
  type: "nameresolution.sqlite",
  status: "beta",
  summary: "Finds sidecars in a SQLite file that all sidecars of a machine share.",
  metadata: Type.Object({
    connectionString: clientSettings.connectionString,
    busyTimeout: clientSettings.busyTimeout,
    disableWAL: clientSettings.disableWAL,
    timeout: durationMs({ default: 1000, unit: "s", description: "Longest time of one call." }),
    tableName: text({ default: "hosts", description: "Table of the running sidecars." }),
    metadataTableName: text({ default: "metadata", description: "Table that tells which version the tables have." }),
    updateInterval: durationMs({
      default: 5000,
      unit: "s",
      description: "How often a sidecar says that it is there; after three times that in silence it is not found.",
    }),
    cleanupInterval: durationMs({
      default: 3_600_000,
      unit: "s",
      description: "How often rows of sidecars that are gone are deleted; 0: never.",
    }),
  }),
  async open(settings, context) {
    const { tableName, metadataTableName, updateInterval, cleanupInterval } = settings;
    const hosts = new Hosts(
      await openClient({ ...settings, synchronous: "normal" }, context, (client) =>
        Hosts.setUp(client, tableName, metadataTableName),
      ),
      tableName,
      updateInterval,
      context,
    );
    const stop = [
      repeat(updateInterval, () => hosts.beat()),
      ...(cleanupInterval > 0 ? [repeat(cleanupInterval, () => hosts.sweep())] : []),
    ];

    /** Runs `work` again and again; the returned function ends that and waits for what is running. */
    function repeat(ms: number, work: () => Promise<void>): () => Promise<void> {
      let running = Promise.resolve();
      let cancel = () => {};
      const arm = () => {
        cancel = context.clock.after(ms, () => {
          running = work().then(arm);
        });
      };
      arm();
      return async () => {
        // Each run arms the next, so the last one is over before its successor is taken back.
        cancel();
        await running;
        cancel();
      };
    }

    let closed: Promise<void> | undefined;
    return {
      register: (instance, call) => hosts.register(instance, call),
      resolve: (appId, namespace, call) => hosts.resolve(appId, namespace, call),
      known: (call) => hosts.known(call),
      close() {
        closed ??= Promise.all(stop.map((end) => end())).then(() => hosts.close());
        return closed;
      },
    };
  },
});
