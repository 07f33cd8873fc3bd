import { runServer } from "./support/server-process.ts";
import type { Install, Service } from "./support/service.ts";
import { findInstalled } from "./support/service-folder.ts";

// Without the extra `server`, which brings the tools of a dozen further services.
const install = { pypi: ["moto[dynamodb,s3,ssm]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"] } satisfies Install;
const find = () => findInstalled("moto", install, "venv/bin/moto_server");

export default {
  name: "moto",
  variants: {
    single: "a double of AWS, not AWS itself; any access key is taken",
    strict: "the same, which knows no access key",
  },
  install,
  components: [
    "state.aws.dynamodb",
    "pubsub.aws.snssqs",
    "secretstores.aws.secretmanager",
    "secretstores.aws.parameterstore",
    "bindings.aws.dynamodb",
    "bindings.aws.kinesis",
    "bindings.aws.s3",
    "bindings.aws.ses",
    "bindings.aws.sns",
    "bindings.aws.sqs",
  ],
  find,
  async start({ folder, ports: [port], variant }) {
    const server = await runServer({
      program: find() ?? "moto_server",
      args: ["-H", "127.0.0.1", "-p", String(port)],
      cwd: folder,
      // A region of its own is a test's own world.
      env: {
        MOTO_ALLOW_NONEXISTENT_REGION: "true",
        ...(variant === "strict" ? { INITIAL_NO_AUTH_ACTION_COUNT: "0" } : {}),
      },
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
