import type { ConfigurationStore } from "../../../components/contract/configuration.ts";
import { causeText, fail } from "../../../specs/errors.ts";
import { Mecha } from "../../../specs/gen/mecha/v1/mecha_pb.js";
import { type AnyMethod, method } from "../../kernel/method.ts";

type Find = (storeName: string) => ConfigurationStore;

const root = "/v1.0/configuration/:storeName";

/** Writing items, which the published API leaves to the tools of each backend; only for stores that are our own. */
export function configurationWrites(find: Find): readonly AnyMethod[] {
  return [
    method(
      Mecha.method.putConfiguration,
      "configuration",
      { verbs: ["POST", "PUT"], paths: [root], status: 204 },
      async ({ storeName, items }, request) => {
        const store = find(storeName);
        const write = store.put;
        if (!write) throw fail("configurationReadOnly", { name: storeName });
        if ("" in items) throw fail("badRequest", { why: "items: a key must not be empty" });
        const plain = Object.entries(items).map(([key, { value, version }]) => [
          key,
          { value, ...(version ? { version } : {}) },
        ]);
        await run(storeName, () => write.call(store, Object.fromEntries(plain), request));
        return {};
      },
    ),
    method(
      Mecha.method.deleteConfiguration,
      "configuration",
      {
        verbs: ["DELETE"],
        paths: [root],
        input: (http) => ({ storeName: http.params["storeName"] ?? "", keys: [...http.queryAll("key")] }),
        status: 204,
      },
      async ({ storeName, keys }, request) => {
        const store = find(storeName);
        const { remove } = store;
        if (!remove) throw fail("configurationReadOnly", { name: storeName });
        if (keys.length === 0) throw fail("badRequest", { why: "name the items to delete: ?key=a&key=b" });
        await run(storeName, () => remove.call(store, keys, request));
        return {};
      },
    ),
  ];
}

async function run(name: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw fail("configurationPut", { name, cause: causeText(error) }, { cause: error });
  }
}
