import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { z } from "zod";

/** What `plim login` keeps: where the platform is and the token that speaks for the person. */
const Login = z.object({ url: z.url(), token: z.string() });
export type Login = z.infer<typeof Login>;

function directory(): string {
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "plim");
}

/** The kept login, or PLIM_URL and PLIM_TOKEN where both are set. AppError `unauthenticated` says how to get one. */
export async function loadLogin(): Promise<Login> {
  const { PLIM_URL: url, PLIM_TOKEN: token } = process.env;
  if (url !== undefined && token !== undefined) return Login.parse({ url, token });
  const text = await readFile(join(directory(), "login.json"), "utf8").catch(() => undefined);
  if (text === undefined) throw new AppError("unauthenticated", "You are not logged in: plim login http://localhost:8080");
  return Login.parse(JSON.parse(text));
}

/** Keeps a login for the next call, readable by its owner only. */
export async function saveLogin(login: Login): Promise<void> {
  await mkdir(directory(), { recursive: true, mode: 0o700 });
  const file = join(directory(), "login.json");
  await writeFile(file, JSON.stringify(login), { mode: 0o600 });
  await chmod(file, 0o600);
}
