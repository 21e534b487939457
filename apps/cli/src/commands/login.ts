import { hostname } from "node:os";
import { createInterface } from "node:readline/promises";
import { AppError } from "@plimsoll/core";
import type { Command } from "commander";
import { createClient } from "../client.ts";
import { saveLogin } from "../config.ts";
import { readValue } from "../context.ts";

interface LoginOptions {
  readonly email?: string;
  readonly passwordFile?: string;
  readonly token?: string;
}

export function addLogin(program: Command): void {
  program
    .command("login")
    .description("log in and keep a token for this machine")
    .argument("[url]", "where the portal is", "http://localhost:8080")
    .option("--email <address>")
    .option("--password-file <file>", "read the password from a file, - for standard input")
    .option("--token <token>", "use a token made in the portal")
    .action(login);
}

async function login(url: string, options: LoginOptions): Promise<void> {
  const token = options.token ?? (await tokenByPassword(url, options));
  const me = await createClient({ url, token }).get<{ name: string; teams: { name: string; namespaces: string[] }[] }>("/me");
  await saveLogin({ url, token });
  const places = me.teams.flatMap((team) => team.namespaces.map((namespace) => `${team.name}/${namespace}`));
  console.log(`Logged in at ${url} as ${me.name}. Namespaces: ${places.join(", ") || "none yet"}`);
}

/** A session by password, exchanged at once for a token that can be revoked by itself. */
async function tokenByPassword(url: string, options: LoginOptions): Promise<string> {
  const email = options.email ?? (await ask("E-mail: "));
  const password = options.passwordFile === undefined ? await ask("Password: ", true) : await readValue(options.passwordFile);
  const origin = new URL(url).origin;
  const session = await fetch(new URL("/api/v1/login", url), {
    method: "POST",
    headers: { "content-type": "application/json", origin },
    body: JSON.stringify({ email, password }),
  });
  if (!session.ok) throw new AppError("unauthenticated", ((await session.json()) as { detail: string }).detail);
  const cookie = session.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const made = await fetch(new URL("/api/v1/tokens", url), {
    method: "POST",
    headers: { "content-type": "application/json", cookie, origin },
    body: JSON.stringify({ name: `plim on ${hostname()}` }),
  });
  if (!made.ok) throw new AppError("unauthenticated", ((await made.json()) as { detail: string }).detail);
  return ((await made.json()) as { secret: string }).secret;
}

async function ask(question: string, hidden = false): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY });
  try {
    const answer = terminal.question(question);
    // What is typed is echoed by readline's own writes: silence them while a password is typed.
    if (hidden) Object.assign(terminal, { _writeToOutput: () => undefined });
    return await answer;
  } finally {
    if (hidden) process.stderr.write("\n");
    terminal.close();
  }
}
