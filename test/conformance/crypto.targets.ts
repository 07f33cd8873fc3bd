import type { Jwk } from "../../components/contract/crypto.ts";
import jwks from "../../components/dapr.jwks/crypto.ts";
import localStorage from "../../components/dapr.localstorage/crypto.ts";
import memory from "../../components/memory/crypto.ts";
import { startHttpServer } from "../support/http-server.ts";
import { tempFolder } from "../support/temp-folder.ts";
import type { CryptoTarget } from "./crypto.suite.ts";

type Keys = Readonly<Record<string, Jwk>>;

const keySet = (keys: Keys) => JSON.stringify({ keys: Object.entries(keys).map(([kid, key]) => ({ ...key, kid })) });

/** The key stores under test. */
export const cryptoTargets: readonly CryptoTarget[] = [
  {
    driver: localStorage,
    prepare: (keys) => {
      const files = Object.entries(keys).map(([name, key]) => [name, JSON.stringify(key)]);
      return { path: tempFolder(Object.fromEntries(files)) };
    },
  },
  {
    driver: jwks,
    prepare: async (keys) => ({ jwks: await startHttpServer(() => ({ body: keySet(keys) })) }),
  },
  { driver: memory, prepare: (keys) => ({ jwks: keySet(keys) }) },
];
