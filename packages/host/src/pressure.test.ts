import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readPressure } from "./pressure.ts";

it("reads what the kernel says of ten seconds, and knows nothing where the kernel measures nothing", () => {
  const directory = mkdtempSync(join(tmpdir(), "pressure-"));
  try {
    expect(readPressure(directory)).toBeUndefined();
    writeFileSync(join(directory, "cpu"), "some avg10=19.91 avg60=33.92 avg300=22.19 total=10147454603\n");
    writeFileSync(
      join(directory, "memory"),
      "some avg10=62.00 avg60=0.00 avg300=0.00 total=9\nfull avg10=7.50 avg60=0.00 avg300=0.00 total=2\n",
    );
    expect(readPressure(directory)).toBeUndefined();
    writeFileSync(
      join(directory, "io"),
      "some avg10=1.40 avg60=1.69 avg300=0.84 total=4\nfull avg10=0.73 avg60=0.73 avg300=0.39 total=1\n",
    );
    expect(readPressure(directory)).toEqual({ cpuSome: 19.91, memorySome: 62, memoryFull: 7.5, ioSome: 1.4, ioFull: 0.73 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
