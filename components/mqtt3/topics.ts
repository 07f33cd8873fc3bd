import { fail } from "../../specs/errors.ts";

const longest = 65_535;

/** Throws `requestMetadataInvalid` unless messages can be published to the topic. */
export function checkTopic(topic: string): void {
  const wrong = (why: string) => fail("requestMetadataInvalid", { key: "topic", why });
  if (topic === "") throw wrong("must not be empty");
  if (topic.includes("\0")) throw wrong("must not hold a NUL");
  if (/[+#]/.test(topic)) {
    throw wrong(`${JSON.stringify(topic)} holds + or #, which are for subscriptions; leave them out`);
  }
  if (topic.startsWith("$share/")) throw wrong("$share is for subscriptions; name the topic alone");
  if (Buffer.byteLength(topic) > longest) throw wrong(`must have at most ${longest} bytes`);
}

/** What is subscribed: a topic, or a pattern of topics. */
export interface Filter {
  /** As the broker is asked for it. */
  readonly text: string;
  /** The pattern alone. */
  readonly pattern: string;
  /** `$share/<group>/`: whoever asks for the same shares the messages. */
  readonly isShared: boolean;
}

/** Reads a topic that may hold wildcards, and be shared. Throws `requestMetadataInvalid`. */
export function parseFilter(text: string): Filter {
  const wrong = (why: string) =>
    fail("requestMetadataInvalid", { key: "topic", why: `${JSON.stringify(text)} ${why}` });
  const shared = /^\$share\/([^/+#]+)\/(.*)$/s.exec(text);
  if (!shared && text.startsWith("$share/")) throw wrong("is not shared in the form $share/group/topic");
  const pattern = shared?.[2] ?? text;
  if (pattern === "" || pattern.includes("\0")) throw wrong("names no topic");
  const levels = pattern.split("/");
  for (const [at, level] of levels.entries()) {
    const isAlone = level === "+" || (level === "#" && at === levels.length - 1);
    if (/[+#]/.test(level) && !isAlone) {
      throw wrong("has a wildcard that is no level of its own; write a/+/b, or a/# with # at the end");
    }
  }
  return { text, pattern, isShared: shared !== null };
}

/** Whether messages of the topic are among those of the pattern. */
export function fits(pattern: string, topic: string): boolean {
  // Topics of the broker itself must be named.
  if (topic.startsWith("$") && /^[+#]/.test(pattern)) return false;
  const [levels, given] = [pattern.split("/"), topic.split("/")];
  for (const [at, level] of levels.entries()) {
    if (level === "#") return true;
    if (at >= given.length || (level !== "+" && level !== given[at])) return false;
  }
  return levels.length === given.length;
}
