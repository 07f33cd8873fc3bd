import { join } from "node:path";
import { vi } from "vitest";
import localEnv from "../../components/local.env/secretstores.ts";
import localFile from "../../components/local.file/secretstores.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { awsSecretTargets } from "./aws.targets.ts";
import { kubernetesSecretTarget } from "./kubernetes.targets.ts";
import { pluggableSecretTargets } from "./pluggable.targets.ts";
import type { SecretTarget } from "./secrets.suite.ts";
import { vaultSecretTarget } from "./vault.targets.ts";

/** The secret stores under test. */
export const secretTargets: readonly SecretTarget[] = [
  {
    driver: localFile,
    prepare: (secrets) => ({
      secretsFile: join(tempFolder({ "secrets.json": JSON.stringify(secrets) }), "secrets.json"),
    }),
  },
  {
    driver: localEnv,
    prepare: (secrets) => {
      for (const [name, value] of Object.entries(secrets)) vi.stubEnv(`UNDER_TEST_${name}`, value);
      return { prefix: "UNDER_TEST_" };
    },
    absent: (name) => ({ [name]: "" }),
  },
  ...awsSecretTargets,
  ...pluggableSecretTargets,
  vaultSecretTarget,
  kubernetesSecretTarget,
];
