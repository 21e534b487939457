import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadIdentity } from "./identity.ts";

describe("a host's identity", () => {
  it("is made once and kept", async () => {
    const directory = await mkdtemp(join(tmpdir(), "plimsoll-identity-"));
    const made = await loadIdentity(directory);
    expect(await loadIdentity(directory)).toEqual(made);
    await rm(directory, { recursive: true });
  });

  it("is not made anew over one that cannot be read", async () => {
    const directory = await mkdtemp(join(tmpdir(), "plimsoll-identity-"));
    // A link to itself: reading fails, and not because there is nothing; writing a new one in its place would go through.
    await symlink("identity.json", join(directory, "identity.json"));
    await expect(loadIdentity(directory)).rejects.toMatchObject({ code: "ELOOP" });
    await rm(directory, { recursive: true });
  });
});
