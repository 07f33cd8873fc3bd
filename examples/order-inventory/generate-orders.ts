// Writes orders.jsonl again: `npx node examples/order-inventory/generate-orders.ts`. The same seed gives the same file.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "./runner/random.ts";

const lines = 1_000;
/** So many of them are sent a second time, as an impatient buyer or a flaky network would. */
const repeated = 60;
const random = seededRandom(20_240_607);

const here = import.meta.dirname;
const skus = (JSON.parse(readFileSync(join(here, "stock.json"), "utf8")) as { sku: string }[]).map(({ sku }) => sku);
const firstNames =
  "Ada Aiko Amara Bruno Chidi Clara Dario Elif Emeka Freya Goran Hana Idris Ines Jonas Kavya Lena Liam Lucia Mara Mateo Mei Nadia Noah Olga Omar Priya Quinn Rosa Sami Tariq Uma Vera Wanjiru Yara Zoe".split(
    " ",
  );
const lastNames =
  "Abebe Almeida Berg Castillo Costa Dubois Eriksen Fischer Gupta Haddad Ivanova Jansen Kim Kowalski Lindqvist Mbeki Moreau Nakamura Novak Okafor Petrov Quispe Rossi Santos Schmidt Silva Tanaka Thapa Usman Vargas Weber Xu Yilmaz Zhang".split(
    " ",
  );
const cities =
  "Accra Antwerp Bogota Bristol Cork Dakar Delhi Gdansk Hanoi Izmir Kyoto Lagos Lima Lyon Malmo Nairobi Osaka Porto Quito Riga Seville Tunis Utrecht Zagreb".split(
    " ",
  );

const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
/** The first items of the list are wanted most, so that many buyers race for few of them. */
const popular = <T>(from: readonly T[]): T => from[Math.floor(random() ** 1.6 * from.length)] as T;

const orders = Array.from({ length: lines - repeated }, (_, at) => ({
  id: `A-${104_000 + at * 3 + Math.floor(random() * 3)}`,
  buyer: `${pick(firstNames)} ${pick(lastNames)}`,
  city: pick(cities),
  sku: popular(skus),
  quantity: 1 + Math.floor(random() ** 3 * 4),
}));

/** Each repetition follows its order within a few dozen lines. */
const sent: object[] = [...orders];
for (let at = 0; at < repeated; at++) {
  const original = pick(orders);
  sent.splice(sent.indexOf(original) + 1 + Math.floor(random() * 40), 0, original);
}
writeFileSync(join(here, "orders.jsonl"), sent.map((order) => `${JSON.stringify(order)}\n`).join(""));
