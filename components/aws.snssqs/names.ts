import { createHash } from "node:crypto";
import { fail } from "../../specs/errors.ts";

const longestTopic = 256;
const longestQueue = 80;
const longestGroup = 128;
const fifoEnd = ".fifo";

/** Name of a topic in SNS. */
export const topicName = (topic: string, isFifo: boolean): string => fitted(topic, longestTopic, isFifo);

/** Name of a queue in SQS. */
export const queueName = (group: string, isFifo: boolean): string => fitted(group, longestQueue, isFifo);

/**
 * AWS takes letters, digits, `-` and `_`; the others fall away. A name that is too long ends in a digest of the whole, so
 * that it stays apart from others that begin alike.
 */
function fitted(name: string, longest: number, isFifo: boolean): string {
  const bare = isFifo && name.endsWith(fifoEnd) ? name.slice(0, -fifoEnd.length) : name;
  const kept = bare.replaceAll(/[^A-Za-z0-9_-]/g, "");
  if (kept === "") {
    throw fail("badRequest", { why: `${JSON.stringify(name)} has no letter or digit that a name in AWS may have` });
  }
  const room = longest - (isFifo ? fifoEnd.length : 0);
  const whole = kept.length <= room ? kept : `${kept.slice(0, room - 17)}-${digest(name).slice(0, 16)}`;
  return isFifo ? whole + fifoEnd : whole;
}

/** The message group of a key: the messages of one group come one after another, so topics have groups of their own. */
export function groupName(topic: string, key: string): string {
  const name = `${topic}.${key}`;
  return name.length <= longestGroup && /^[\x21-\x7e]+$/.test(name) ? name : digest(name);
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex");
