import { join } from "node:path";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { describe, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");
/** Nobody answers there. */
const NOWHERE = "http://127.0.0.1:9";
const PASSWORD = "correct horse battery";

describe("what is asked for on a terminal", () => {
  it("is shown as it is typed, but for a password", async () => {
    const shown = await typed(["login", NOWHERE], ["ana@acme.example", PASSWORD]);
    expect(shown).toContain("ana@acme.example");
    expect(shown).toContain("Password: ");
    expect(shown).toContain("Nothing answers at");
    expect(shown).not.toContain(PASSWORD.slice(0, 4));
  });

  it("is refused without one, with the option to give instead", async () => {
    const { code, stderr } = await run([process.execPath, MAIN, "login", NOWHERE], { env: minimalEnv, okCodes: [2], timeoutMs: 20_000 });
    expect(code).toBe(2);
    expect(stderr).toContain("There is no terminal to ask `E-mail` on: give --email, or a token by --token-file.");
    expect(stderr).toContain("See: plim help login");
  });
});

/** What stands on the terminal in the end; each line is typed once the program asks. */
async function typed(words: readonly string[], lines: readonly string[]): Promise<string> {
  const command = [process.execPath, MAIN, ...words].join(" ");
  const child = await start(["script", "--quiet", "--return", "--command", command, "/dev/null"], {
    env: { ...minimalEnv, TERM: "xterm" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const left = [...lines];
  let shown = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    const text = chunk.toString();
    shown += text;
    if (/(?:E-mail|Password): /.test(text)) child.stdin?.write(`${left.shift() ?? ""}\r`);
  });
  await new Promise((resolve) => child.once("close", resolve));
  return shown;
}
