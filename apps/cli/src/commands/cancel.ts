import type { Resource } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import { isBuildOver, isDeploymentOver } from "@plimsoll/core/phases";
import type { Call, Run } from "../command.ts";
import { parseNumbered } from "../input.ts";
import { untilSeen } from "../watching.ts";
import { showRollout } from "./apps.ts";

const NAMESPACE = "/api/v1/namespaces/:team/:namespace";
/** A build's processes are killed within a second; its host must hear of it first. */
const CANCEL_MS = 90_000;

export const cancelBuild: Run = async (call) => {
  const place = await call.app(numbered(call, "build", "b")?.app ?? call.option("app"));
  const { app, ...params } = place;
  const client = await call.client();
  const { items } = await client.list(`GET ${NAMESPACE}/builds`, { params, query: { app } }, 50);
  const build = pick(items, numbered(call, "build", "b")?.number, ({ status }) => isBuildOver(status.phase), `${app} is not being built.`);
  const { number } = build.spec;
  const name = build.metadata.name;
  if (isBuildOver(build.status.phase)) throw new AppError("conflict", `Build ${number} of ${app} is over already: ${build.status.phase}.`);
  await client.call(`POST ${NAMESPACE}/builds/:name/cancel`, { params: { ...params, name } });
  const ended = await untilSeen(call, place, {
    timeoutMs: CANCEL_MS,
    waitedFor: `The end of build ${number}`,
    look: async () => {
      const now = await client.call(`GET ${NAMESPACE}/builds/:name`, { params: { ...params, name } });
      return isBuildOver(now.status.phase) ? now : undefined;
    },
  });
  if (ended.status.phase === "succeeded")
    call.fail(new AppError("conflict", `Build ${number} of ${app} was done before it could be stopped.`));
  call.show(ended, () => `Build ${number} of ${app}: ${ended.status.phase}.`);
};

/** A deployment is taken back by rolling out what served before it: the newer one takes over from where it is. */
export const cancelDeployment: Run = async (call) => {
  const place = await call.app(numbered(call, "deployment", "d")?.app ?? call.option("app"));
  const { app, ...params } = place;
  const client = await call.client();
  const { items } = await client.list(`GET ${NAMESPACE}/deployments`, { params, query: { app } }, 50);
  const deployment = pick(
    items,
    numbered(call, "deployment", "d")?.number,
    ({ status }) => isDeploymentOver(status.phase),
    `${app} is not being deployed.`,
  );
  const { number } = deployment.spec;
  const { phase, previousRelease } = deployment.status;
  if (isDeploymentOver(phase))
    throw new AppError("conflict", `Deployment ${number} of ${app} is over already: ${phase}. To go back: plim rollback ${app}`);
  if (previousRelease === undefined)
    throw new AppError(
      "precondition_failed",
      `Deployment ${number} is the first of ${app}: there is nothing to go back to. It gives up by itself when it does not get ready; plim destroy ${app} ends it at once.`,
    );
  const body = { release: previousRelease };
  const back = await client.call(`POST ${NAMESPACE}/apps/:app/rollback`, { params: { ...params, app }, body });
  call.note(`Deployment ${number} of ${app} is taken back: v${previousRelease} stays.`);
  await showRollout(call, place, back);
};

function numbered(call: Call, kind: string, letter: string) {
  const text = call.argument("number");
  return text === undefined ? undefined : parseNumbered(text, kind, letter);
}

/** The one of this number, else the newest that is not over. */
function pick<K extends "Build" | "Deployment">(
  items: readonly Resource<K>[],
  number: number | undefined,
  isOver: (item: Resource<K>) => boolean,
  none: string,
): Resource<K> {
  const found = items.find((item) => (number === undefined ? !isOver(item) : item.spec.number === number));
  if (found !== undefined) return found;
  throw new AppError(
    "not_found",
    number === undefined ? none : `There is no ${number} among the newest 50; plim builds and plim deployments list them.`,
  );
}
