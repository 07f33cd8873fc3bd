import type { Duplex } from "node:stream";
import { checkServerIdentity, type TLSSocket } from "node:tls";
import type { ConnectionOptions, Connection as CoreConnection, FieldPacket, ResultSetHeader } from "mysql2";

/** What a statement gave. Of several in one text, the first with columns gives the rows, the last without the number. */
export interface Answer {
  readonly rows: readonly (readonly unknown[])[];
  readonly fields: readonly FieldPacket[];
  /** How many rows it has changed. */
  readonly affected: number;
}

/** How to open a session. */
export interface SessionOptions {
  readonly client: ConnectionOptions;
  /** Name that the certificate of the server must be for. */
  readonly verifiedName?: string | undefined;
  /** Statements that each session begins with. */
  readonly prelude: readonly string[];
}

/** What the library's types keep quiet about. */
type Core = CoreConnection & {
  stream: Duplex & Partial<TLSSocket>;
  startTLS(onSecure: (error?: Error) => void): void;
};

interface Prepared {
  readonly parameters: readonly unknown[];
}

/** One connection with its server; one statement at a time. */
export class Session {
  readonly #core: Core;
  /** Which server this is, and which of its connections. */
  readonly server: string;
  readonly id: number;
  readonly openedAt: number;
  #isLost = false;
  readonly closed: Promise<void>;

  private constructor(core: Core, closed: Promise<void>, server: string, id: number, openedAt: number) {
    this.#core = core;
    this.closed = closed;
    this.server = server;
    this.id = id;
    this.openedAt = openedAt;
    core.on("error", () => {
      this.#isLost = true;
    });
    void closed.then(() => {
      this.#isLost = true;
    });
  }

  /** Connects; rejects with the library's error and leaves nothing open. */
  static async open({ client, verifiedName, prelude }: SessionOptions, now: number): Promise<Session> {
    const { createConnection } = await import("mysql2");
    // A TLS session that is taken up again shows no certificate, and the library keeps them by this object.
    const ssl = typeof client.ssl === "object" ? { ssl: { ...client.ssl } } : {};
    const core = createConnection({ ...client, ...ssl }) as Core;
    const closed = new Promise<void>((resolve) => {
      const watch = (stream: Duplex) => stream.once("close", () => (stream === core.stream ? resolve() : undefined));
      watch(core.stream);
      if (client.ssl === undefined) return;
      const startTls = core.startTLS.bind(core);
      core.startTLS = (onSecure) => {
        startTls((error) => onSecure(error ?? mismatch(core.stream, verifiedName)));
        watch(core.stream);
      };
    });
    try {
      await new Promise<void>((resolve, reject) => {
        core.once("connect", () => resolve());
        core.on("error", reject);
      });
      for (const statement of prelude) await run(core, statement);
      const { rows } = await run(core, "SELECT CONNECTION_ID(), CONCAT(@@hostname, ':', @@port, ':', @@server_id)");
      const [id, server] = rows[0] ?? [];
      return new Session(core, closed, String(server), Number(id), now);
    } catch (error) {
      core.stream.destroy();
      throw error;
    }
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Runs a statement that is prepared once and kept. */
  execute(sql: string, values: readonly unknown[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#core.execute(textOf(sql), [...values] as never, (error, result, fields) =>
        error ? reject(error) : resolve(toAnswer(result, fields)),
      );
    });
  }

  /** Runs a text of one statement, or of several where the settings allow that. */
  query(sql: string): Promise<Answer> {
    return run(this.#core, sql);
  }

  /** Prepares a statement, for `execute`. @returns how many values it takes */
  prepare(sql: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#core.prepare(textOf(sql) as unknown as string, (error, statement) =>
        error ? reject(error) : resolve((statement as unknown as Prepared).parameters.length),
      );
    });
  }

  /** Keeps a statement prepared no longer. */
  forget(sql: string): void {
    this.#core.unprepare(textOf(sql) as unknown as string);
  }

  /** Says goodbye; settles when the connection is closed. */
  end(): Promise<void> {
    this.#core.end(() => {});
    return this.closed;
  }

  /** Breaks the connection at once, and fails what it does. */
  destroy(): void {
    this.#isLost = true;
    // The library's own way lets the statement wait for its answer.
    this.#core.stream.destroy();
  }
}

const textOf = (sql: string) => ({ sql, rowsAsArray: true });

function run(core: Core, sql: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    core.query(textOf(sql), (error, result, fields) => (error ? reject(error) : resolve(toAnswer(result, fields))));
  });
}

/** The library itself compares a certificate only with names, not with addresses. */
function mismatch(stream: Core["stream"], verifiedName: string | undefined): Error | undefined {
  if (verifiedName === undefined || stream.getPeerCertificate === undefined) return undefined;
  return checkServerIdentity(verifiedName, stream.getPeerCertificate(true));
}

type Fields = readonly FieldPacket[] | undefined;

function toAnswer(result: unknown, fields: unknown): Answer {
  const isSeveral = Array.isArray(fields) && fields.some((one) => !one || Array.isArray(one));
  const results = isSeveral ? (result as readonly unknown[]) : [result];
  const columns = (isSeveral ? fields : [fields]) as readonly Fields[];
  const withRows = columns.findIndex((one) => one !== undefined && one !== null);
  const headers = results.filter((_, at) => !columns[at]) as readonly ResultSetHeader[];
  return {
    rows: withRows < 0 ? [] : (results[withRows] as unknown[][]),
    fields: columns[withRows] ?? [],
    affected: headers.at(-1)?.affectedRows ?? 0,
  };
}
