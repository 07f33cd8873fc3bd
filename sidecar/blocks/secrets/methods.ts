import { causeText, fail } from "../../../specs/errors.ts";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { type Components, requireComponent } from "../../kernel/components.ts";
import type { SecretScope } from "../../kernel/config-types.ts";
import { type AnyMethod, method } from "../../kernel/method.ts";

const root = "/v1.0/secrets/:storeName";

/** The secrets API, behind the scopes of the Configuration resource. */
export function secretMethods(components: Components, scopes: readonly SecretScope[]): readonly AnyMethod[] {
  const store = (name: string) =>
    requireComponent(components, "secretstores", name, {
      none: () => fail("secretsNotConfigured", {}),
      unknown: (unknown, known) => fail("secretStoreNotFound", { name: unknown, known }),
    }).opened;
  return [
    method(
      Dapr.method.getBulkSecret,
      "secrets",
      {
        verbs: ["GET"],
        paths: [`${root}/bulk`],
        input: (http) => ({ storeName: http.params["storeName"] ?? "", metadata: http.metadata }),
        output: ({ data }) => ({
          status: 200,
          body: JSON.stringify(
            Object.fromEntries(Object.entries(data ?? {}).map(([name, one]) => [name, one.secrets ?? {}])),
          ),
        }),
      },
      async ({ storeName, metadata }, request) => {
        const opened = store(storeName);
        try {
          const all = Object.entries(await opened.getAll(metadata, request)).filter(([name]) =>
            isAllowed(scopes, storeName, name),
          );
          return { data: Object.fromEntries(all.map(([name, values]) => [name, { secrets: { ...values } }])) };
        } catch (error) {
          throw fail("secretGet", { name: storeName, key: "all secrets", cause: causeText(error) }, { cause: error });
        }
      },
    ),
    method(
      Dapr.method.getSecret,
      "secrets",
      {
        verbs: ["GET"],
        paths: [`${root}/:key`],
        input: (http) => ({
          storeName: http.params["storeName"] ?? "",
          key: http.params["key"] ?? "",
          metadata: http.metadata,
        }),
        output: ({ data }) =>
          data && Object.keys(data).length > 0 ? { status: 200, body: JSON.stringify(data) } : { status: 204 },
      },
      async ({ storeName, key, metadata }, request) => {
        const opened = store(storeName);
        if (!isAllowed(scopes, storeName, key)) throw fail("secretDenied", { name: storeName, key });
        try {
          return { data: { ...(await opened.get(key, metadata, request)) } };
        } catch (error) {
          throw fail("secretGet", { name: storeName, key, cause: causeText(error) }, { cause: error });
        }
      },
    ),
  ];
}

/** Allowed names go before denied ones, and both before the default. */
export function isAllowed(scopes: readonly SecretScope[], store: string, name: string): boolean {
  const scope = scopes.find(({ storeName }) => storeName === store);
  if (!scope) return true;
  if (scope.allowedSecrets.length > 0) return scope.allowedSecrets.includes(name);
  if (scope.deniedSecrets.includes(name)) return false;
  return scope.defaultAccess === "allow";
}
