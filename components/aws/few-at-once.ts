/**
 * Does the work for each item, at most `limit` at once; results come in the order of the items. Rejects as the first work
 * that does, and begins no other.
 */
export async function fewAtOnce<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const left = items.entries();
  let hasFailed = false;
  const worker = async () => {
    // All workers take from the same iterator.
    for (const [index, item] of left) {
      if (hasFailed) return;
      try {
        results[index] = await work(item, index);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
