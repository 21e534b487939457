import type { ApplyRequest } from "@plimsoll/contracts";
import { AppError, AppSpec, type Resource } from "@plimsoll/core";
import type { z } from "zod";
import { authorize, type Place } from "../caller.ts";
import type { Context } from "../context.ts";
import { invalidInput } from "../http/problem.ts";
import { replaceSpec } from "./change-app.ts";
import { createApp } from "./create-app.ts";
import { openApp } from "./open-app.ts";
import { defaultAppSpec } from "./spec.ts";

/**
 * Makes an object as it is described: created when it is not there, changed when it differs, nothing when it is the same. What the
 * description leaves out gets its default, as in a new object; only secrets stay, whose values cannot be written down. With
 * `metadata.version` it is refused when the object moved on since.
 */
export async function apply(context: Context, place: Place, wanted: z.output<typeof ApplyRequest>): Promise<Resource<"App">> {
  if (wanted.kind !== "App")
    throw new AppError("unsupported", `Objects of kind ${wanted.kind} are not applied; in a namespace, apply an App.`);
  const parsed = AppSpec.partial().safeParse(wanted.spec);
  if (!parsed.success) throw invalidInput(parsed.error, "spec");
  const { name, labels, version } = wanted.metadata;
  const found = await context.tx.objects.findByName("App", place.namespace.metadata.uid, name);
  if (found === undefined) {
    authorize(context.caller, "apps.create", place.team);
    return createApp(context, place.namespace, { name, spec: parsed.data, ...(labels === undefined ? {} : { labels }) });
  }
  const open = await openApp(context, place.namespace, name);
  const { app } = open;
  if (version !== undefined && version !== app.metadata.version)
    throw new AppError("conflict", `App ${name} is at version ${app.metadata.version} by now, not ${version}; read it and apply again.`, {
      retry: "never",
    });
  const secrets = parsed.data.secrets ?? app.spec.secrets;
  if (JSON.stringify(Object.entries(secrets).sort()) !== JSON.stringify(Object.entries(app.spec.secrets).sort()))
    throw new AppError("invalid", "Secrets are not applied; leave `secrets` out, and set values with `plim secret`.");
  return replaceSpec(context, open, defaultAppSpec({ ...kept(app), ...parsed.data, secrets: app.spec.secrets }), labels);
}

/** What a description need not know of: what the live commit has set itself. */
function kept({ spec: { appFile } }: Resource<"App">) {
  return appFile === undefined ? {} : { appFile };
}
