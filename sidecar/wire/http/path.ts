/** Anything that cleaning would change. */
const unclean = /\/\/|\/\.|\+/;

/**
 * The path as it is routed: slashes collapsed, `.` and `..` resolved, `+` read as a space. The query is kept.
 * Service invocation reads the URL as it was sent, not this.
 */
export function routedUrl(url: string): string {
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
