/** What the client library exports. */
export type Library = typeof import("@platformatic/kafka");

// Not a literal in the call below: a bundler would take the library along without the WebAssembly file that it reads
// from beside itself. So it comes from node_modules wherever the sidecar was built.
const name: string = ["@platformatic", "kafka"].join("/");

/** Loads the client library when the first component of Kafka is opened. */
export const loadLibrary = (): Promise<Library> => import(name) as Promise<Library>;
