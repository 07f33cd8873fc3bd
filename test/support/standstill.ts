/** The value at which a counter comes to rest: for twenty turns of the event loop nobody has moved it. */
export async function standstill(read: () => number): Promise<number> {
  for (let before = -1, still = 0; still < 20; ) {
    await new Promise((resolve) => setImmediate(resolve));
    still = read() === before ? still + 1 : 0;
    before = read();
  }
  return read();
}
