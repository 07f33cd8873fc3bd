import { formatAge } from "../age.ts";
import { readRecords, statusOf } from "../run-records.ts";
import { type AddCommand, withExamples, writeJson } from "../session.ts";
import { formatTable } from "../table.ts";

const columns = [
  { title: "APP ID", style: "cyan" },
  { title: "STATUS" },
  { title: "HTTP", align: "right" },
  { title: "GRPC", align: "right" },
  { title: "APP PORT", align: "right" },
  { title: "AGE", align: "right" },
  { title: "CLI PID", align: "right" },
  { title: "SIDECAR", align: "right" },
  { title: "APP PID", align: "right" },
  { title: "COMMAND", wraps: true },
  { title: "RUN FILE", wraps: true },
] as const;

export const addList: AddCommand = (program, session) => {
  const command = program
    .command("list")
    .alias("ls")
    .summary("list running apps")
    .description("Lists the apps that `mecha run` of this user runs on this machine.")
    .option("--json", "write JSON")
    .option("-q, --quiet", "write the app ids only");
  withExamples(command, [
    ["mecha list", "a table"],
    ["mecha list --json", "the same for a program, with the log files"],
    ["mecha list -q | xargs -n1 mecha stop", "stop everything"],
  ]);
  command.action(async (options: { json?: true; quiet?: true }) => {
    const { context } = session;
    const records = await readRecords(context.env);
    if (options.quiet) {
      context.out.write(records.map(({ appId }) => `${appId}\n`).join(""));
      return;
    }
    if (options.json) {
      const shown = records.map(({ cli, sidecar, app, ...rest }) => {
        return {
          ...rest,
          status: statusOf({ cli, sidecar, app, ...rest }),
          cliPid: cli.pid,
          sidecarPid: sidecar.pid,
          appPid: app?.pid,
        };
      });
      return writeJson(context, shown);
    }
    if (records.length === 0) {
      context.out.write("nothing is running; start something with `mecha run`\n");
      return;
    }
    const text = (value: unknown) => (value === undefined ? "" : String(value));
    const rows = records.map((record) => [
      record.appId,
      statusOf(record),
      text(record.httpPort ?? record.httpSocket),
      text(record.grpcPort),
      text(record.appPort),
      formatAge(Date.now() - Date.parse(record.created)),
      text(record.cli.pid),
      text(record.sidecar.pid),
      text(record.app?.pid),
      record.command.join(" "),
      text(record.runFile),
    ]);
    context.out.write(formatTable(columns, rows, context.out));
  });
};
