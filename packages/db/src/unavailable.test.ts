import { describe, expect, it } from "vitest";
import { asUnavailable } from "./database.ts";

describe("an error of the database", () => {
  it.each([
    Object.assign(new Error("write EPIPE"), { code: "EPIPE" }),
    new Error("\nInvalid `prisma.object.findFirst()` invocation:\n\n\nwrite EPIPE"),
    new Error("Database error. Code: `57P01`. Message: `terminating connection due to unexpected postmaster exit`"),
    new Error("failed", { cause: new Error("connect ENOENT /run/x/postgres/.s.PGSQL.5432") }),
  ])("means that it can be asked again where its connection was cut: $message", (error) => {
    expect(asUnavailable(error)).toMatchObject({ code: "unavailable", retry: "backoff" });
  });

  it("stays what it is where the request itself is to blame", () => {
    const error = new Error("Unique constraint failed on the fields: (`name`)");
    expect(asUnavailable(error)).toBe(error);
  });
});
