import { defineConfig } from "vitest/config";

/**
 * One project per kind of test; `vitest run --project unit` picks one. Unit files are pure and cheap, so they run in
 * threads; the others open sockets, databases and processes and get a process each, which also gives them signals,
 * a working directory and an environment of their own.
 */
const projects = [
  { name: "unit", include: ["test/unit/**", "test/architecture/**"], pool: "threads", seconds: 10 },
  { name: "conformance", include: ["test/conformance/**"], pool: "forks", seconds: 30 },
  { name: "integration", include: ["test/integration/**"], pool: "forks", seconds: 60 },
  { name: "e2e", include: ["test/e2e/**"], pool: "forks", seconds: 180 },
] as const;

export default defineConfig({
  test: {
    // Two everywhere: tests that pass on the smallest machine pass on every machine.
    maxWorkers: 2,
    passWithNoTests: true,
    projects: projects.map(({ name, include, pool, seconds }) => ({
      extends: true as const,
      test: {
        name,
        include: include.map((folder) => `${folder}/*.test.ts`),
        pool,
        testTimeout: seconds * 1000,
        hookTimeout: seconds * 1000,
        // What a test waits for may take as long as the test: a busy machine is no failure.
        expect: { poll: { timeout: seconds * 900, interval: 20 } },
        // A test that changes the environment or a global gets it back before the next one starts.
        unstubEnvs: true,
        unstubGlobals: true,
        restoreMocks: true,
      },
    })),
  },
});
