import { createHash } from "node:crypto";
import { indexName, tableName } from "./names.ts";

/** The tables of one log, as SQL writes them. */
export interface LogTables {
  readonly messages: string;
  readonly groups: string;
  readonly deliveries: string;
  readonly owners: string;
  /** Channel on which publications are notified. */
  readonly channel: string;
}

export function logTables(prefix: string): LogTables {
  const table = (name: string) => tableName("tablePrefix", prefix + name);
  const hash = createHash("sha256").update(table("messages")).digest("hex").slice(0, 16);
  return {
    messages: table("messages"),
    groups: table("groups"),
    deliveries: table("deliveries"),
    owners: table("owners"),
    channel: `mecha_messages_${hash}`,
  };
}

/** What a notification calls a topic, whose own name may be too long. */
export const topicMark = (topic: string): string => createHash("sha256").update(topic).digest("base64url");

/** Rows live short here: old versions are to be cleared away after some thousands, not after a fifth of the table. */
const vacuum = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000";

/** SQL that makes the tables of a log, for `migrate`. */
export const logSteps = ({ messages, groups, deliveries, owners }: LogTables): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS ${messages} (
    topic text COLLATE "C" NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    key text COLLATE "C",
    data bytea NOT NULL,
    content_type text,
    metadata text,
    published_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (topic, seq)
  ) WITH (${vacuum});
  CREATE TABLE IF NOT EXISTS ${groups} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, name)
  ) WITH (fillfactor = 20);
  CREATE TABLE IF NOT EXISTS ${deliveries} (
    group_id bigint NOT NULL,
    seq bigint NOT NULL,
    key text COLLATE "C",
    attempt integer NOT NULL,
    owner bigint,
    due_at timestamptz,
    PRIMARY KEY (group_id, seq)
  ) WITH (fillfactor = 80, ${vacuum});
  CREATE INDEX IF NOT EXISTS ${indexName(deliveries, "due")} ON ${deliveries} (group_id, due_at) WHERE owner IS NULL;
  CREATE INDEX IF NOT EXISTS ${indexName(deliveries, "key")} ON ${deliveries} (group_id, key, seq) WHERE key IS NOT NULL;
  CREATE INDEX IF NOT EXISTS ${indexName(deliveries, "waiting")} ON ${deliveries} (group_id, key, seq)
    WHERE owner IS NULL AND key IS NOT NULL;
  CREATE TABLE IF NOT EXISTS ${owners} (
    id bigint NOT NULL PRIMARY KEY,
    group_id bigint NOT NULL,
    lease_until timestamptz NOT NULL
  ) WITH (fillfactor = 50)`,
];
