import { Type } from "typebox";
import { choice, durationMs, integer, secret, text } from "../contract/settings.ts";
import type { ConnectionSettings } from "./connection-string.ts";

/** Settings of every component that lives in PostgreSQL. */
export const clientSettings = {
  connectionString: secret({
    default: "",
    description:
      "`postgres://user:password@host:5432/database` or `host=… user=… password=… dbname=…`; may be left out when host, user and so on are given.",
    aliases: ["url"],
    example: "postgres://app:secret@localhost:5432/app",
  }),
  host: Type.Optional(text({ description: "Server, or folder of its socket; counts more than connectionString." })),
  hostaddr: Type.Optional(
    text({ description: "Address of the server, where the host's name is not to be looked up." }),
  ),
  port: Type.Optional(text({ description: "Port of the server; default: 5432." })),
  database: Type.Optional(text({ description: "Database; default: the user's name." })),
  user: Type.Optional(text({ description: "User to connect as." })),
  password: Type.Optional(secret({ description: "Password of the user." })),
  sslRootCert: Type.Optional(
    text({
      description: "Authority of the server's certificate, which is checked then: PEM text or the path of a file.",
    }),
  ),
  timeout: durationMs({ default: 20_000, unit: "s", description: "Longest time of one call." }),
  maxConns: integer({
    default: 0,
    minimum: 0,
    description: "Most connections, shared by the components with the same settings; 0: 10.",
  }),
  connectionMaxIdleTime: durationMs({
    default: 1_800_000,
    unit: "s",
    description: "A connection that nobody uses for so long is closed; 0: never.",
    aliases: ["connMaxIdleTime"],
  }),
  queryExecMode: Type.Optional(
    choice(["cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"], {
      description:
        "`cache_statement` prepares each statement once per connection, the default; the others prepare none, as connection poolers may need.",
    }),
  ),
};

export interface ClientSettings extends ConnectionSettings {
  readonly timeout: number;
  readonly maxConns: number;
  readonly connectionMaxIdleTime: number;
  readonly queryExecMode?: string | undefined;
}
