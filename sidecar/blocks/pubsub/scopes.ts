/** Which topics of one component this app may use. */
export interface Scopes {
  mayPublish(topic: string): boolean;
  maySubscribe(topic: string): boolean;
}

/**
 * Reads the scopes of a component for one app.
 * `allowedTopics` and `protectedTopics` are comma-separated; `publishingScopes` and `subscriptionScopes` are written
 * `app1=t1,t2;app2=`: an app that is not listed is free, one with an empty list may use nothing. Spaces and the case of
 * app ids do not count; an entry without `=` is ignored.
 */
export function readScopes(runtime: Readonly<Record<string, unknown>>, appId: string): Scopes {
  const text = (key: string) => String(runtime[key] ?? "");
  const allowed = topicSet(text("allowedTopics"));
  const protectedTopics = topicSet(text("protectedTopics"));
  const decide = (scoped: ReadonlySet<string> | undefined) => {
    if (allowed.size === 0 && protectedTopics.size === 0 && !scoped) return () => true;
    return (topic: string) => {
      if (allowed.size > 0 && !allowed.has(topic)) return false;
      if (!scoped && !protectedTopics.has(topic)) return true;
      return scoped?.has(topic) ?? false;
    };
  };
  return {
    mayPublish: decide(scopeOf(text("publishingScopes"), appId)),
    maySubscribe: decide(scopeOf(text("subscriptionScopes"), appId)),
  };
}

const topicSet = (text: string) => new Set(text.replace(/\s/g, "").split(",").filter(Boolean));

function scopeOf(text: string, appId: string): ReadonlySet<string> | undefined {
  const wanted = appId.toLowerCase();
  let found: Set<string> | undefined;
  for (const entry of text.replace(/\s/g, "").split(";")) {
    const cut = entry.indexOf("=");
    if (cut < 0 || entry.slice(0, cut).toLowerCase() !== wanted) continue;
    found = new Set([...(found ?? []), ...topicSet(entry.slice(cut + 1))]);
  }
  return found;
}
