import type { Resource } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import { type BuildEnd, followBuild } from "../build-output.ts";
import { createClient } from "../client.ts";
import type { Call, Run } from "../command.ts";
import { loadLogin } from "../config.ts";
import { usageError } from "../failure.ts";
import { type AppPlace, placeName } from "../place.ts";
import { shortCommit } from "../render.ts";
import { snapshot } from "../snapshot.ts";

const CANCEL_MS = 5_000;

export const build: Run = async (call) => {
  if (call.has("explain") || call.has("eject")) {
    // Only then: all that detects frameworks would else be loaded by every build.
    const { explainBuild } = await import("./explain-build.ts");
    return explainBuild(call);
  }
  const [place, client, folder] = await Promise.all([
    call.app(call.argument("app")),
    call.client(),
    snapshot(call.option("folder") ?? ".", { committed: call.has("committed") }),
  ]);
  try {
    const [dockerfile, target, args] = [call.option("dockerfile"), call.option("target"), buildArgs(call.all("build-arg"))];
    const body = {
      commit: folder.commit,
      ...(dockerfile === undefined ? {} : { dockerfile }),
      ...(target === undefined ? {} : { target }),
      ...(args === undefined ? {} : { args }),
      ...(call.all("build-context").length === 0 ? {} : { contexts: buildContexts(call.all("build-context")) }),
      ...(call.has("no-cache") ? { noCache: true } : {}),
    };
    const ask = () => client.call("POST /api/v1/namespaces/:team/:namespace/apps/:app/builds", { params: { ...place }, body });
    const asked = await ask().catch(async (error: unknown) => {
      // Sent only when it is not there; the first time this also makes the app, as the first push of any app does.
      if (!(error instanceof AppError) || !isSendable(error, call)) throw error;
      await folder.send(`${client.url}/git/${placeName(place)}/${place.app}.git`, client.token ?? "");
      return ask();
    });
    const what = folder.changed ? "the folder as it is" : shortCommit(folder.commit);
    call.note(`Build ${asked.spec.number} of ${place.app} in ${placeName(place)}: ${what}`);
    await follow(call, place, asked);
  } finally {
    await folder.dispose();
  }
};

/** `NAME=value`, or `NAME` for what this shell has under that name, as Docker's. */
export function buildArgs(
  given: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> | undefined {
  const args: Record<string, string> = {};
  for (const one of given) {
    const equals = one.indexOf("=");
    const name = equals < 0 ? one : one.slice(0, equals);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw usageError(`--build-arg is NAME=value, not \`${one.slice(0, 80)}\`.`, "build");
    const value = equals < 0 ? env[name] : one.slice(equals + 1);
    if (value === undefined)
      throw usageError(`--build-arg ${name} has no value, and this shell has no ${name}; write ${name}=value.`, "build");
    args[name] = value;
  }
  return given.length === 0 ? undefined : args;
}

/** `NAME=directory`, or `NAME=docker-image://image`, as Docker's. */
function buildContexts(given: readonly string[]): Record<string, string> {
  const pairs = given.map((one) => {
    const [, name, value] = /^([^=]+)=(.+)$/s.exec(one) ?? [];
    if (name !== undefined && value !== undefined) return [name, value] as const;
    throw usageError(`--build-context is NAME=directory or NAME=docker-image://image, not \`${one.slice(0, 80)}\`.`, "build");
  });
  return Object.fromEntries(pairs);
}

/** A name that was typed may be typed wrong: only a repository's own app is made. */
function isSendable({ code }: AppError, call: Call): boolean {
  return code === "precondition_failed" || (code === "not_found" && call.argument("app") === undefined);
}

async function follow(call: Call, place: AppPlace, { metadata: { name }, spec: { number } }: Resource<"Build">): Promise<void> {
  let end: BuildEnd | undefined;
  try {
    end = await followBuild(call, place, name);
  } finally {
    // Ctrl-C: nobody waits for it any more. By a client that is not ended by the same signal.
    if (call.signal.aborted && end === undefined) {
      const { team, namespace } = place;
      await createClient(await loadLogin(), AbortSignal.timeout(CANCEL_MS))
        .call("POST /api/v1/namespaces/:team/:namespace/builds/:name/cancel", { params: { team, namespace, name } })
        .then(() => call.note(`Build ${number} is being stopped.`))
        .catch(() => call.note(`Build ${number} goes on; stop it with: plim cancel build ${number} -a ${place.app}`));
    }
  }
  if (end?.phase === "succeeded" && !call.json) call.print("Nothing was released. To release what is committed: git push plimsoll main");
}
