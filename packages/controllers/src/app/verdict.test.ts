import { describe, expect, it } from "vitest";
import { anInstance } from "../testing/objects.ts";
import { hintFor } from "./verdict.ts";

describe("hint", () => {
  it.each([
    [["listening on 127.0.0.1:3000"], /listens on 127\.0\.0\.1:3000, the probe asks port 8080/],
    [["Server running at http://localhost:8080/"], /listens on localhost:8080/],
    [["ready - started server on 0.0.0.0:3000, url: http://localhost:3000"], /0\.0\.0\.0:3000/],
    [["App listening on port 5000"], /listens on port 5000.*or say port: 5000 in plimsoll\.yaml/],
    [["Error: listen EADDRINUSE: address already in use :::8080"], /same port/],
  ])("reads %j", (logTail, hint) => {
    expect(hintFor(anInstance("i"), logTail)).toMatch(hint);
  });

  it.each([[["listening on 0.0.0.0:8080"]], [["hello"]], [[]]])("says nothing about %j", (logTail) => {
    expect(hintFor(anInstance("i"), logTail)).toBeUndefined();
  });

  it("reads exit codes of a command that is not there or not executable", () => {
    const exit = (code: number) => anInstance("i", {}, { lastExit: { code, outOfMemory: false, at: "2026-01-01T00:00:00Z" } });
    expect(hintFor(exit(127), [])).toMatch(/does not have the command/);
    expect(hintFor(exit(126), [])).toMatch(/not executable/);
  });
});
