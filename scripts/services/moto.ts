import { runServer } from "./support/server-process.ts";
import type { Install, Service } from "./support/service.ts";
import { findInstalled } from "./support/service-folder.ts";

const install = { pypi: ["moto[server]==5.2.5"] } satisfies Install;
const find = () => findInstalled("moto", install, "venv/bin/moto_server");

export default {
  name: "moto",
  variants: { single: "a double of AWS, not AWS itself; any access key is taken" },
  install,
  components: [],
  find,
  async start({ folder, ports: [port] }) {
    const server = await runServer({
      program: find() ?? "moto_server",
      args: ["-H", "127.0.0.1", "-p", String(port)],
      cwd: folder,
      ready: port,
    });
    const settings = {
      endpoint: `http://127.0.0.1:${port}`,
      region: "us-east-1",
      accessKey: "test",
      secretKey: "test",
    };
    return { host: "127.0.0.1", port, settings, ...server };
  },
} satisfies Service;
