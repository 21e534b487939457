import type { QuotaDimension } from "@plimsoll/core";
import { ZERO_QUOTA } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { quotaAssignment, quotaRefusal } from "./refusal.ts";

const MIB = 1024 ** 2;

describe("the refusal of a quota", () => {
  it("reads as EXPERIENCE has it", () => {
    const error = quotaRefusal({
      subject: "Release v16",
      excess: { dimension: "memoryBytes", asked: 1024 * MIB, used: 1536 * MIB, limit: 2048 * MIB },
      charges: [{ process: "web", replicas: 2, cpuMillis: 100, memoryBytes: 512 * MIB }],
      before: ZERO_QUOTA,
      team: "acme",
      namespace: "store",
      teamFree: 6 * 1024 * MIB,
      owners: [{ email: "ana@acme.example" }, { email: "li@acme.example" }],
      platformOrigin: "https://plimsoll.example",
    });
    expect(error.code).toBe("quota_exceeded");
    expect(error.message).toBe(
      "Release v16 needs 2 × 512 MiB = 1 GiB memory; namespace store has 1.5 of 2 GiB used, 512 MiB free.\n" +
        "Team acme has 6 GiB of memory not given to any namespace. ana@acme.example or li@acme.example can give store more:\n" +
        "  plim quota set store memory=2.5GiB        or   https://plimsoll.example/acme/quota?namespace=store&memory=2.5GiB",
    );
  });

  it.each<[QuotaDimension, number, string]>([
    ["memoryBytes", 600 * MIB, "memory=640MiB"],
    ["memoryBytes", 2561 * MIB, "memory=3GiB"],
    ["cpuMillis", 1250, "cpu=1.3"],
    ["instances", 21, "instances=21"],
  ])("asks for enough, in what people type: %s %i", (dimension, amount, text) => {
    expect(quotaAssignment(dimension, amount)).toBe(text);
  });
});
