import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { requireService, startServer } from "../support/server.ts";
import { startSidecar } from "../support/sidecar.ts";
import { tempFolder } from "../support/temp-folder.ts";

const isMissing = !(await requireService("redis"));

const resources = (secretsFile: string, port: number) => ({
  "vault.yaml": `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: vault
spec:
  type: secretstores.local.file
  version: v1
  metadata:
    - name: secretsFile
      value: ${JSON.stringify(secretsFile)}
`,
  "store.yaml": `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: store
spec:
  type: state.redis
  version: v1
  metadata:
    - name: redisHost
      value: 127.0.0.1:${port}
    - name: redisUsername
      value: mecha
    - name: redisPassword
      secretKeyRef:
        name: redis
        key: redis
auth:
  secretStore: vault
`,
});

describe.skipIf(isMissing)("a password that is changed under load", { timeout: 60_000 }, () => {
  test("loses no write, and one that does not work is not used", async () => {
    const server = await startServer("redis", { variant: "acl", own: true });
    const admin = new Redis({ host: server.host, port: server.port, username: "mecha", password: "secret" });
    const file = join(tempFolder({ "secrets.json": '{"redis": "secret"}' }), "secrets.json");
    const secret = (password: string) => writeFileSync(file, JSON.stringify({ redis: password }));
    await using sidecar = await startSidecar({
      appId: "writer",
      resources: resources(file, server.port),
      args: ["--secret-refresh-interval", "100ms"],
    });
    let [written, failed, isOver] = [0, 0, false];
    const write = async () => {
      while (!isOver) {
        const body = JSON.stringify([{ key: `k${written}`, value: written }]);
        const answer = await fetch(`${sidecar.url}/v1.0/state/store`, { method: "POST", body });
        await answer.arrayBuffer();
        if (answer.ok) written += 1;
        else failed += 1;
      }
    };
    const writers = [write(), write(), write()];
    const said = (text: string) => expect.poll(() => sidecar.output().includes(text), { timeout: 20_000 }).toBe(true);

    // A wrong one first: it is tried beside the open component, and left.
    secret("wrong");
    await said("does not work with its changed secrets");
    // Then the way operators do it: the new password is added, handed out, and the old one taken away.
    await admin.acl("SETUSER", "mecha", ">fresh");
    secret("fresh");
    await said("opened anew, as its secrets have changed");
    await admin.acl("SETUSER", "mecha", "<secret");
    const before = written;
    await expect.poll(() => written > before + 100, { timeout: 20_000 }).toBe(true);
    isOver = true;
    await Promise.all(writers);
    admin.disconnect();
    expect(failed).toBe(0);
    expect(sidecar.output()).not.toMatch(/"(fresh|wrong)"/);
  });
});
