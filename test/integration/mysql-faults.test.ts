import stateDriver from "../../components/mysql/state.ts";
import { stateFaultSuite } from "./state-faults.suite.ts";

await stateFaultSuite({
  driver: stateDriver,
  service: "mariadb",
  settings: (_, port) => ({ connectionString: `mecha:secret@tcp(127.0.0.1:${port})/`, timeoutInSeconds: "5" }),
});
