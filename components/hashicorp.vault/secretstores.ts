import { fail } from "../../specs/errors.ts";
import { defineSecretStore } from "../contract/secrets.ts";
import { metadata } from "./settings.ts";
import { openVault } from "./vault.ts";
import { walk } from "./walk.ts";

export default defineSecretStore({
  type: "secretstores.hashicorp.vault",
  status: "beta",
  summary: "Reads secrets of the KV engine of HashiCorp Vault or OpenBao.",
  metadata,
  capabilities: ["multiple"],
  async open(settings, context) {
    const vault = await openVault(settings, context);
    return {
      async get(name, { version_id: version }, { signal }) {
        if (version && !/^\d{1,9}$/.test(version)) {
          throw fail("requestMetadataInvalid", {
            key: "version_id",
            why: `must be the number of a version, got ${JSON.stringify(version)}`,
          });
        }
        return vault.read(name, version, signal);
      },
      getAll: (_, { signal }) => walk(vault, signal),
      ping: ({ signal }) => vault.ping(signal),
      close: () => vault.close(),
    };
  },
});
