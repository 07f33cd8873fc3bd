import vault from "../../components/hashicorp.vault/secretstores.ts";
import { startVault } from "../support/vault.ts";
import type { SecretTarget } from "./secrets.suite.ts";

export const vaultSecretTarget: SecretTarget = {
  driver: vault,
  async prepare(secrets) {
    const server = await startVault();
    const enginePath = await server.mount();
    for (const [name, value] of Object.entries(secrets)) {
      await server.tell("POST", `${enginePath}/data/dapr/${name}`, { data: { [name]: value } });
    }
    return { vaultAddr: server.address, vaultToken: server.rootToken, enginePath };
  },
};
