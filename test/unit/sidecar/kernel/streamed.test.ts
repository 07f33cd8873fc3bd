import { describe, expect, it } from "vitest";
import { noteStreamed } from "../../../../sidecar/kernel/streamed.ts";

describe("the garbage of streamed bodies", () => {
  it("is collected before V8 would look for it", () => {
    let most = 0;
    for (let i = 0; i < 1000; i++) {
      const part = Buffer.alloc(64 * 1024, 1);
      noteStreamed(part.byteLength);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    // Without a collection all 62 MB would be there at the end.
    expect(most).toBeLessThan(32 * 1024 * 1024);
  });
});
