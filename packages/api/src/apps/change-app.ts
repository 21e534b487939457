import { isDeepStrictEqual } from "node:util";
import type { AppPatch } from "@plimsoll/contracts";
import type { Resource, Spec } from "@plimsoll/core";
import { createBuild } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";
import { type OpenApp, openApp } from "./open-app.ts";
import { rollOutConfig } from "./roll-out.ts";
import { patchAppSpec, scaleAppSpec } from "./spec.ts";

/** Changes env, processes, labels or source of an app. A live app gets a new release when its release would differ. */
export async function patchApp(
  context: Context,
  namespace: Resource<"Namespace">,
  name: string,
  patch: AppPatch,
): Promise<Resource<"App">> {
  const open = await openApp(context, namespace, name);
  return replaceSpec(context, open, patchAppSpec(open.app.spec, patch), patch.labels);
}

/** Another number of instances of one process; the release stays. */
export async function scaleApp(
  context: Context,
  namespace: Resource<"Namespace">,
  name: string,
  wanted: { readonly process: string; readonly replicas: number },
): Promise<Resource<"App">> {
  const open = await openApp(context, namespace, name);
  return replaceSpec(context, open, scaleAppSpec(open.app.spec, wanted.process, wanted.replicas));
}

/** Replaces a valid spec, with quota, new release and build as they follow from it. Nothing happens when it is the same. */
export async function replaceSpec(
  context: Context,
  { namespace, app }: OpenApp,
  spec: Spec<"App">,
  labels?: Readonly<Record<string, string>>,
): Promise<Resource<"App">> {
  const updated = await context.tx.objects.updateSpec(app, spec, labels);
  audit(context, "apps.update", updated, { changed: changedParts(app.spec, spec) });
  if (updated === app) return app;
  await rollOutConfig(context, app.spec, { namespace, app: updated });
  const { source } = spec;
  const asksForImage = source.kind === "image" && !isDeepStrictEqual(source, app.spec.source);
  if (asksForImage) await createBuild(context.tx, { namespace, app: updated, source, requestedBy: context.caller.name });
  return updated;
}

function changedParts(before: Spec<"App">, after: Spec<"App">): readonly string[] {
  return (["source", "processes", "env", "secrets"] as const).filter((part) => !isDeepStrictEqual(before[part], after[part]));
}
