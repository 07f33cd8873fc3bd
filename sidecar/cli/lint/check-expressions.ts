import { causeText } from "../../../specs/errors.ts";
import { compileRoutes } from "../../blocks/pubsub/routes.ts";
import { compileTrip } from "../../host/trip.ts";
import type { ResourceSet } from "./resource-set.ts";

/** Compiles every CEL expression as the sidecar will. */
export function checkExpressions(set: ResourceSet): void {
  for (const { resource, located } of set.ofKind("Subscription")) {
    for (const [at, route] of resource.routes.entries()) {
      const why = failureOf(() => compileRoutes([route]));
      if (why)
        located.refuse(
          `spec.routes.rules[${at}].match`,
          why,
          'write a condition over event, such as event.type == "order"',
        );
    }
  }
  for (const { resource, located } of set.ofKind("Resiliency")) {
    for (const [name, { trip }] of Object.entries(resource.policies.circuitBreakers)) {
      const why = failureOf(() => compileTrip(trip));
      if (why)
        located.refuse(
          `spec.policies.circuitBreakers.${name}.trip`,
          why,
          "write a condition such as consecutiveFailures > 5",
        );
    }
  }
}

function failureOf(compile: () => unknown): string | undefined {
  try {
    compile();
    return undefined;
  } catch (error) {
    return causeText(error);
  }
}
