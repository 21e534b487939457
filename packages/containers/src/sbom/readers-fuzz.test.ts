import fc from "fast-check";
import { describe, it } from "vitest";
import { bufferBytes } from "./bytes.ts";
import { openElf } from "./elf.ts";
import { readGoProgram } from "./go-program.ts";
import { readJar } from "./jar.ts";
import { readCargoList, readComposerInstalled, readGemspec, readPackageJson, readPythonMetadata } from "./language-files.ts";
import { readApkInstalled, readDpkgStatus, readOsRelease } from "./os-databases.ts";
import { goInline, goPointers, zipOf } from "./test-files.ts";
import { BadArchive } from "./zip.ts";

const RUNS = Number(process.env.PLIMSOLL_FUZZ_RUNS ?? 300);
const reading = { allowance: { spend: () => undefined }, onBad: () => undefined };

/** What the contents of a file may bring about; everything else is a bug. */
function onlyFaultsOfContents(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof BadArchive || error instanceof RangeError)) throw error;
  }
}

describe("fuzz: malformed files", () => {
  const words = fc.string({
    unit: fc.constantFrom(
      "Package: a",
      "Version: 1",
      "\n",
      "\n\n",
      "P:",
      "V:1",
      "Name: x",
      's.name = "',
      "\t",
      "\u0000",
      "é",
      ":",
      "{",
      "}",
      '"',
    ),
  });
  it("text is read or refused", () => {
    const readers = [
      readDpkgStatus,
      readApkInstalled,
      readOsRelease,
      readPackageJson,
      readPythonMetadata,
      readGemspec,
      readComposerInstalled,
      readCargoList,
    ];
    fc.assert(
      fc.property(fc.oneof(words, fc.string({ unit: "binary" }), fc.json()), (text) => {
        for (const read of readers) onlyFaultsOfContents(() => read(text));
      }),
      { numRuns: RUNS },
    );
  });

  const damaged = (whole: Buffer) =>
    fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 12 }).chain((changes) =>
      fc.nat(whole.length).map((length) => {
        const copy = Buffer.from(whole);
        for (const [at, byte] of changes) copy[at] = byte;
        return length % 3 === 0 ? copy.subarray(0, length) : copy;
      }),
    );

  it("programs are read or passed over", () => {
    const programs = [goInline("go1.22", "mod\ta\tv1\n"), goPointers("go1.16", "mod\ta\tv1\n")];
    fc.assert(
      fc.property(
        fc.oneof(
          ...programs.map(damaged),
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        ),
        (program) => {
          const elf = openElf(bufferBytes(program));
          if (elf !== undefined) onlyFaultsOfContents(() => readGoProgram(elf));
        },
      ),
      { numRuns: RUNS },
    );
  });

  it("archives are read or refused", () => {
    const inner = zipOf([{ name: "META-INF/MANIFEST.MF", content: Buffer.from("A: b\n") }]);
    const jar = zipOf([
      { name: "a.jar", content: inner },
      { name: "b.jar", content: inner, stored: true },
      { name: "META-INF/maven/a/b/pom.properties", content: Buffer.from("version=1") },
    ]);
    fc.assert(
      fc.property(damaged(jar), (bytes) => onlyFaultsOfContents(() => readJar(bufferBytes(bytes), "a.jar", reading))),
      { numRuns: RUNS },
    );
  });
});
