import { hostname } from "node:os";
import { type DestinationStream, pino } from "pino";
import type { Log } from "../../components/contract/driver.ts";
import type { LogConfig } from "./config-types.ts";

/** A log that names the part of the sidecar it belongs to. */
export interface ScopedLog extends Log {
  scope(name: string): ScopedLog;
}

type Fields = Readonly<Record<string, unknown>>;

/** logfmt needs quotes around anything but plain words. */
const quote = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
};

/** Turns pino's JSON lines into `time="..." level=info msg="..." key=value`. */
function logfmt(out: NodeJS.WritableStream): DestinationStream {
  return {
    write(line) {
      const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
      const tail = Object.entries(rest).map(([key, value]) => ` ${key}=${quote(value)}`);
      out.write(`time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(msg)}${tail.join("")}\n`);
    },
  };
}

/** Opens the log: JSON lines, or logfmt for people. */
export function openLog(
  config: LogConfig,
  appId: string,
  version: string,
  out: NodeJS.WritableStream = process.stdout,
): ScopedLog {
  const root = pino(
    {
      level: config.level,
      base: { app_id: appId, instance: hostname(), type: "log", ver: version },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    config.json ? out : logfmt(out),
  );
  const scoped = (name: string): ScopedLog => {
    const logger = root.child({ scope: name });
    return {
      debug: (message: string, fields: Fields = {}) => logger.debug(fields, message),
      info: (message: string, fields: Fields = {}) => logger.info(fields, message),
      warn: (message: string, fields: Fields = {}) => logger.warn(fields, message),
      error: (message: string, fields: Fields = {}) => logger.error(fields, message),
      scope: scoped,
    };
  };
  return scoped("dapr.runtime");
}
