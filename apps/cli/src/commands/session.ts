import { hostname } from "node:os";
import { AppError } from "@plimsoll/core/errors";
import { createClient } from "../client.ts";
import type { Run } from "../command.ts";
import { forgetLogin, keptLogin, type Login, loginPath, originOf, saveLogin } from "../config.ts";
import { problemOf } from "../event-stream.ts";
import { usageError } from "../failure.ts";
import { ask, readValue } from "../input.ts";
import { placeName } from "../place.ts";
import { table } from "../render.ts";

export const login: Run = async (call) => {
  const url = originOf(call.argument("url") ?? (await keptLogin().catch(() => undefined))?.url ?? "http://localhost:8080");
  const given =
    call.option("token") ?? (call.option("token-file") === undefined ? undefined : await readValue(call.option("token-file") ?? "-"));
  if (given === "") throw usageError("The token is empty.", "login");
  const made: Login =
    given === undefined
      ? await tokenByPassword(url, { email: call.option("email"), passwordFile: call.option("password-file") }, call.signal)
      : { url, token: given };
  const me = await createClient(made, call.signal).call("GET /api/v1/me", {});
  await saveLogin(made);
  const places = me.teams.flatMap((team) => team.namespaces.map((namespace) => placeName({ team: team.name, namespace })));
  call.show(
    { url, name: me.name, email: me.email, namespaces: places },
    () => `Logged in at ${url} as ${me.name}. Namespaces: ${places.join(", ") || "none yet"}`,
  );
  if (process.env.PLIM_TOKEN) call.note("PLIM_TOKEN is set in this shell and goes before what was kept now.");
};

export const logout: Run = async (call) => {
  const kept = await keptLogin().catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error;
    call.note(
      `${loginPath()} was no login and is removed; a token that was in it is still good: plim tokens revoke, from another machine.`,
    );
    return undefined;
  });
  if (kept?.tokenId !== undefined) {
    await createClient(kept, call.signal)
      .call("DELETE /api/v1/tokens/:id", { params: { id: kept.tokenId } })
      .catch((error) =>
        call.note(`Its token was not revoked (${(error as Error).message.split("\n")[0]}); plim tokens revoke, from another machine.`),
      );
  }
  await forgetLogin();
  call.show({ loggedOut: kept?.url ?? null }, () => (kept === undefined ? "You were not logged in." : `Logged out at ${kept.url}.`));
};

export const whoami: Run = async (call) => {
  const client = await call.client();
  const me = await client.call("GET /api/v1/me", {});
  call.show({ url: client.url, ...me }, () =>
    [
      `${me.name} <${me.email}>${me.operator ? ", platform operator" : ""} at ${client.url}`,
      table(me.teams.map(({ name, role, namespaces }) => [`  team ${name}`, role, namespaces.join(", ") || "no namespace yet"])),
      ...(process.env.PLIM_TOKEN ? [] : [`  login kept in ${loginPath()}`]),
    ].join("\n"),
  );
};

/** A session by password, exchanged at once for a token of this machine that can be revoked by itself. */
async function tokenByPassword(
  url: string,
  given: { readonly email: string | undefined; readonly passwordFile: string | undefined },
  signal: AbortSignal,
): Promise<Login> {
  const email = given.email ?? (await ask("E-mail: ", { instead: "--email, or a token by --token-file", command: "login" }));
  const password =
    given.passwordFile === undefined
      ? await ask("Password: ", { hidden: true, instead: "--password-file, or a token by --token-file", command: "login" })
      : await readValue(given.passwordFile);
  // As a browser does it: the session's cookie works with the portal's own Origin only.
  const post = async (path: string, body: unknown, cookie?: string): Promise<Response> => {
    const headers = { "content-type": "application/json", origin: url, ...(cookie === undefined ? {} : { cookie }) };
    const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body), signal }).catch((cause: unknown) => {
      throw new AppError("unavailable", `Nothing answers at ${url}; is the platform running (npm run status), is the address right?`, {
        cause,
      });
    });
    if (!answer.ok) throw problemOf(await answer.text());
    return answer;
  };
  const session = await post("/api/v1/login", { email, password });
  const cookie = session.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const made = await post("/api/v1/tokens", { name: `plim on ${hostname()}`.slice(0, 100) }, cookie);
  const token = (await made.json()) as { readonly id: string; readonly secret: string };
  await post("/api/v1/logout", {}, cookie);
  return { url, token: token.secret, tokenId: token.id };
}
