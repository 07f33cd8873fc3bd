import { join } from "node:path";
import type { ComponentResource } from "../kernel/config-types.ts";

/** Components of the embedded default: what every block works on when nothing else is declared for it. */
const defaults: readonly (readonly [
  name: string,
  type: string,
  settings?: (dataDir: string) => Readonly<Record<string, string>>,
])[] = [
  ["statestore", "state.sqlite"],
  ["pubsub", "pubsub.sqlite"],
  ["lockstore", "lock.sqlite"],
  ["configstore", "configuration.sqlite"],
  ["secretstore", "secretstores.local.env"],
  ["cryptostore", "crypto.dapr.localstorage", (dataDir) => ({ path: join(dataDir, "keys") })],
  ["echo", "conversation.echo"],
];

const source = { file: "(embedded default)", line: 1 };
const initTimeoutMs = 5_000;

/** The declared components, and for each kind that none is declared of, the embedded one. */
export function withEmbedded(declared: readonly ComponentResource[], dataDir: string): readonly ComponentResource[] {
  const kindOf = (type: string) => type.slice(0, type.indexOf(".")).toLowerCase();
  const taken = new Set(declared.map(({ type }) => kindOf(type)));
  const names = new Set(declared.map(({ name }) => name));
  const added = defaults
    .filter(([name, type]) => !taken.has(kindOf(type)) && !names.has(name))
    .map(
      ([name, type, settings]): ComponentResource => ({
        kind: "Component",
        name,
        type,
        version: "v1",
        scopes: [],
        source,
        metadata: Object.entries(settings?.(dataDir) ?? {}).map(([key, value]) => ({ name: key, value, line: 1 })),
        initTimeoutMs,
        ignoreErrors: false,
        neededSecrets: [],
      }),
    );
  return [...declared, ...added];
}
