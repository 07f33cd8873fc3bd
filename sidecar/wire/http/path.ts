/** Anything that cleaning would change. */
const unclean = /\/\/|\/\.|\+/;

/**
 * Path and query of a request target. Clients that think they talk to a proxy send the absolute form, which every server
 * must take (RFC 9112 3.2.2).
 */
export function originForm(target: string): string {
  if (target.startsWith("/")) return target;
  const rest = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/is.exec(target)?.[1] ?? target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/**
 * The path as it is routed: slashes collapsed, `.` and `..` resolved, `+` read as a space. The query is kept.
 * Service invocation reads the URL as it was sent, not this.
 */
export function routedUrl(target: string): string {
  const url = originForm(target);
  const cut = url.indexOf("?");
  const path = cut < 0 ? url : url.slice(0, cut);
  if (!unclean.test(path)) return url;
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") segments.pop();
    else segments.push(segment.replaceAll("+", "%20"));
  }
  const cleaned = `/${segments.join("/")}${path.endsWith("/") && segments.length > 0 ? "/" : ""}`;
  return cut < 0 ? cleaned : cleaned + url.slice(cut);
}
