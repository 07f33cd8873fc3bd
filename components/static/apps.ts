/** Addresses by app id, or by `<app id>.<namespace>`. */
export type Apps = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `{"app": ["host:port", ...], "other.prod": "host:port,host:port"}`.
 * @throws Error that names the app whose addresses cannot be used
 */
export function parseApps(text: string): Apps {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new Error('it must be an object such as {"orders": ["10.0.0.5:50002"]}');
  }
  return new Map(Object.entries(document).map(([app, value]) => [app, addressesOf(app, value)]));
}

const address = /^(?:\[[0-9a-fA-F:.%]+\]|[^\s:/[\]]+):(\d{1,5})$/;

function addressesOf(app: string, value: unknown): readonly string[] {
  const list: unknown[] = typeof value === "string" ? value.split(",").map((item) => item.trim()) : asArray(value);
  const wrong = list.find((item) => typeof item !== "string" || Number(address.exec(item)?.[1] ?? 70_000) > 65_535);
  if (wrong !== undefined || list.length === 0) {
    throw new Error(
      `${app}: ${JSON.stringify(wrong ?? list)} must be host:port, such as 10.0.0.5:50002 or [::1]:50002`,
    );
  }
  return list as string[];
}

const asArray = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
