// The floors of the house, enforced. `npm run imports` checks them; type-only imports count too.
// Every rule says why it exists. An exception goes into `exceptions` below with its reason; the list should stay empty.

const { doors, forTools } = require("./scripts/imports/doors.cjs");

/** @type {{ rule: string, from: string, because: string }[]} path patterns of files a rule does not hold for */
const exceptions = [];

/** Folders that hold our own code; everything else is a library or Node itself. */
const ours = "^(bin|components|examples|scripts|sdk|sidecar|specs|test)/";

/** Folders that only tools and tests live in: they see everything and ship nowhere. */
const tools = "^(scripts|test|bin)/|^[^/]+$";

const escaped = (text) => text.replace(/[.\\/]/g, "\\$&");
const folders = (names) => names.map((name) => `^${escaped(name)}${name.endsWith(".ts") ? "$" : "/"}`).join("|");
const library = (names) => `(^|/)node_modules/(${names.map(escaped).join("|")})/`;

/** A folder may import what `allowed` names; anything else of ours is refused. */
const floor = (name, from, allowed, comment) => ({
  name,
  severity: "error",
  comment,
  from,
  to: { path: ours, pathNot: allowed },
});

const floors = [
  floor(
    "specs-import-nothing-of-ours",
    { path: "^specs/" },
    "^specs/",
    "specs is the wire contract, floor 0: everything stands on it, so it stands on nothing.",
  ),
  floor(
    "contract-imports-specs",
    { path: "^components/contract/" },
    "^(specs|components/contract)/",
    "A driver contract that knew the sidecar or a driver could not be implemented out of process.",
  ),
  floor(
    "driver-imports-own-folder",
    { path: "^components/(([^/.]+)[^/]*)/", pathNot: "^components/contract/" },
    "^(specs|components/contract|components/$1|components/$2)/",
    "A driver sees its contract, its own folder and its provider's (aws for aws.s3), so that it can be read, tested and removed alone.",
  ),
  floor(
    "registry-imports-drivers",
    { path: "^components/[^/]+\\.ts$" },
    "^components/",
    "The generated registry names drivers and nothing else.",
  ),
  floor(
    "kernel-imports-contract",
    { path: "^sidecar/kernel/" },
    "^(specs|components/contract|sidecar/kernel)/",
    "The kernel is what every floor-3 folder shares; were it to import one of them, all would import all.",
  ),
  floor(
    "floor-3-imports-no-sibling",
    { path: "^sidecar/([^/]+)/", pathNot: "^sidecar/(kernel|blocks|cli)/" },
    "^(specs|components/contract|sidecar/kernel|sidecar/$1)/",
    "What floor-3 folders need from one another arrives as an interface from the kernel, put together in sidecar/main.ts.",
  ),
  floor(
    "block-imports-no-other-block",
    { path: "^sidecar/blocks/([^/]+)/" },
    "^(specs|components/contract|sidecar/kernel|sidecar/blocks/$1)/",
    "A block holds the rules of one API: no wire, no host, no other block, so both protocols share it.",
  ),
  floor(
    "block-lives-in-a-folder",
    { path: "^sidecar/blocks/[^/]+$" },
    "^(specs|components/contract|sidecar/kernel)/",
    "A file beside the block folders would be a place where blocks meet; only sidecar/main.ts is that place.",
  ),
  floor(
    "sdk-imports-specs",
    { path: "^sdk/" },
    "^(specs|sdk)/",
    "The SDK runs in the user's process: it may carry nothing of the sidecar.",
  ),
  floor(
    "example-imports-the-public-sdk",
    { path: "^examples/([^/]+)/" },
    "^(sdk/src/index\\.ts$|examples/$1/)",
    "An example shows what a user can write, and a user has the SDK's public entry only.",
  ),
];

const shape = [
  {
    name: "registry-has-one-reader",
    severity: "error",
    comment: "Drivers reach the sidecar through its composition root; the command and the scripts list them.",
    from: { pathNot: `^sidecar/main\\.ts$|^sidecar/cli/|^components/[^/]+\\.ts$|${tools}` },
    to: { path: "^components/registry\\.gen\\.ts$" },
  },
  {
    name: "kernel-takes-types-from-the-contract",
    severity: "error",
    comment: "The kernel describes what is opened; only the host touches driver code.",
    from: { path: "^sidecar/kernel/" },
    to: { path: "^components/contract/", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "no-cycles",
    severity: "error",
    comment: "Two files that need each other are one file, or a third is missing. Type-only cycles count.",
    from: {},
    to: { circular: true },
  },
  {
    name: "no-barrels",
    severity: "error",
    comment: "An index.ts inside a folder makes everything import everything. A package's public entry is not one.",
    from: {},
    to: { path: "(^|/)index\\.[cm]?[jt]s$", pathNot: "(^|/)node_modules/|^sdk/src/index\\.ts$|^specs/gen/" },
  },
  {
    name: "no-unresolved",
    severity: "error",
    comment: "An import that leads nowhere fails at run time.",
    from: {},
    // node:sqlite is younger than the table of built-in modules this tool ships with
    to: { couldNotResolve: true, pathNot: "^node:" },
  },
  {
    name: "no-undeclared-library",
    severity: "error",
    comment: "A library that package.json does not name may be gone tomorrow.",
    from: { pathNot: "^specs/gen/" },
    to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
  },
  {
    name: "tools-stay-out-of-the-product",
    severity: "error",
    comment: "What is installed for development is missing in production.",
    from: { path: "^(components|examples|sdk|sidecar|specs)/" },
    to: { path: library(forTools) },
  },
  {
    name: "library-has-a-door",
    severity: "error",
    comment: "Give the library a line in scripts/imports/doors.cjs and one in CONTRIBUTING.md (why, licence, folder).",
    from: { pathNot: tools },
    to: { path: "(^|/)node_modules/", pathNot: library([...Object.keys(doors), ...forTools, "@types/node"]) },
  },
];

const libraries = Object.entries(doors).map(([name, names]) => ({
  name: `library-${name}`,
  severity: "error",
  comment: `${name} is imported from ${names.join(", ")} only.`,
  from: { pathNot: `${folders(names)}|${tools}|(^|/)node_modules/` },
  to: { path: library([name]) },
}));

/** Leaves the files of an exception out of its rule. */
const withExceptions = (rule) => {
  const spared = exceptions.filter((exception) => exception.rule === rule.name).map((exception) => exception.from);
  if (spared.length === 0) return rule;
  return { ...rule, from: { ...rule.from, pathNot: [rule.from.pathNot ?? [], spared].flat() } };
};

module.exports = {
  forbidden: [...floors, ...shape, ...libraries].map(withExceptions),
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "(^|/)node_modules/" },
    exclude: { path: "^((sdk/)?dist|coverage|\\.cache|\\.mecha)/|^specs/gen/.*\\.d\\.ts$" },
    moduleSystems: ["es6", "cjs"],
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "require", "types"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
    },
    builtInModules: { add: ["node:sqlite", "sqlite", "node:test", "node:sea"] },
  },
};
