import { fail } from "../../specs/errors.ts";
import { SecretStore as Service } from "../../specs/gen/dapr/proto/components/v1/secretstore_pb.js";
import type { OpenContext } from "../contract/driver.ts";
import type { SecretStore } from "../contract/secrets.ts";
import { codeOf, codes } from "./failures.ts";
import { featuresOf, openProcess, type Pairs, ping } from "./process.ts";

/** Opens a secret store in a process of its own. */
export async function openSecretStore(
  type: string,
  path: string,
  pairs: Pairs,
  context: OpenContext,
): Promise<SecretStore> {
  const wanted = [{ service: Service, init: Service.method.init }];
  const { link } = await openProcess({ type, path, pairs, wanted, context });
  try {
    const features = await featuresOf(link, Service.method.features, context);
    return {
      capabilities: features.has("MULTIPLE_KEY_VALUES_PER_SECRET") ? ["multiple"] : [],
      async get(name, metadata, call) {
        const absent = () => fail("secretNotFound", { name });
        const refusal = (error: unknown) => (codeOf(error) === codes.notFound ? absent() : undefined);
        const request = { key: name, metadata: { ...metadata } };
        const { data } = await link.call(Service.method.get, request, call, { again: true, refusal });
        if (Object.keys(data).length === 0) throw absent();
        return data;
      },
      async getAll(metadata, call) {
        const request = { metadata: { ...metadata } };
        const { data } = await link.call(Service.method.bulkGet, request, call, { again: true });
        return Object.fromEntries(Object.entries(data).map(([name, { secrets }]) => [name, secrets]));
      },
      ping: (call) => ping(link, Service.method.ping, call),
      close: () => link.close(),
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}
