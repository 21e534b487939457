import type { Connection } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core/errors";
import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { readValue } from "../input.ts";
import { placeName } from "../place.ts";
import { age, plain } from "../render.ts";

const APPS = "/api/v1/namespaces/:team/:namespace/apps";
const CONNECTION = `${APPS}/:app/connection` as const;
const PROVIDERS = ["github", "gitlab", "gitea", "plain"] as const;

export const connect: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const [file, named] = [call.option("token-from"), call.option("provider")];
  if (file !== undefined && call.has("deploy-key")) throw usageError("A token or a deploy key: not both.", "connect");
  const provider = PROVIDERS.find((one) => one === named);
  if (named !== undefined && provider === undefined) throw usageError(`--provider is one of ${PROVIDERS.join(", ")}.`, "connect");
  const token = file === undefined ? undefined : (await readValue(file)).trim();
  const client = await call.client();
  await client.call(`GET ${APPS}/:name`, { params: { ...place, name: app } }).catch(async (error) => {
    if (!(error instanceof AppError && error.code === "not_found")) throw error;
    await client.call(`POST ${APPS}`, { params: place, body: { name: app } });
  });
  const made = await client.call(`PUT ${CONNECTION}`, {
    params: { ...place, app },
    body: {
      url: call.argument("url") ?? "",
      branch: call.option("branch") ?? "main",
      auth: token !== undefined ? { kind: "token", token } : { kind: call.has("deploy-key") ? "key" : "none" },
      ...(provider === undefined ? {} : { provider }),
    },
  });
  call.show(made, () =>
    [
      `${app} in ${placeName(place)} is deployed from ${made.url}, branch ${made.branch}.`,
      "",
      ...(made.publicKey === undefined ? [] : ["Register this key there as a deploy key that may read:", `  ${made.publicKey}`, ""]),
      "Webhook, for pushes, as application/json; the secret is shown this once:",
      `  address  ${made.webhook}`,
      `  secret   ${made.secret}`,
      "",
      `Without it the branch is looked at every five minutes. How it goes: plim connection ${app}`,
    ].join("\n"),
  );
};

export const connection: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const client = await call.client();
  const params = { ...place, app };
  const now = call.has("look")
    ? await client.call(`POST ${CONNECTION}/look`, { params })
    : await client.call(`GET ${CONNECTION}`, { params });
  call.show(now, () => lines(app, now).join("\n"));
};

function lines(app: string, now: Connection): readonly string[] {
  const opened = { none: "by anybody", token: "by a token", key: "by a deploy key" }[now.auth];
  return [
    `Repository  ${now.url}, branch ${now.branch}, opened ${opened}`,
    `Connected   ${age(now.createdAt)} ago by ${plain(now.createdBy)}, as ${now.provider}`,
    ...(now.publicKey === undefined ? [] : [`Key         ${now.publicKey}`]),
    `Webhook     ${now.webhook}`,
    `Looked at   ${now.lookedAt === undefined ? "not yet" : `${age(now.lookedAt)} ago`}`,
    ...(now.commit === undefined
      ? []
      : [`Commit      ${now.commit.slice(0, 7)}${now.build === undefined ? "" : `, build ${now.build.slice(app.length + 2)}`}`]),
    ...(now.failure === undefined ? [] : ["Failed      because:", ...now.failure.split("\n").map((line) => `            ${plain(line)}`)]),
    ...(now.unreported === undefined ? [] : [`Status      could not be set: ${plain(now.unreported)}`]),
  ];
}

export const disconnect: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  await (await call.client()).call(`DELETE ${CONNECTION}`, { params: { ...place, app } });
  call.show({ app }, () => `${app} is deployed by git push again.`);
};
