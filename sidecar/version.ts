import packageJson from "../package.json" with { type: "json" };

/** Version of the sidecar. */
export const version: string = packageJson.version;
