import { ApplyRequest, AppPatch, DeployImageRequest, NewApp, OBJECTS, RollbackRequest, ScaleRequest } from "@plimsoll/contracts";
import { apply as applyObject } from "../apps/apply.ts";
import { patchApp as changeApp, scaleApp as changeScale } from "../apps/change-app.ts";
import { createApp as makeApp } from "../apps/create-app.ts";
import { deleteApp as removeApp } from "../apps/delete-app.ts";
import { rollback as goBack, deployImage as startImage } from "../apps/deploy.ts";
import { route } from "../http/route.ts";
import { DryRunQuery } from "./schemas.ts";

export const createApp = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps",
  permission: "apps.create",
  summary: "Make an app",
  body: NewApp,
  responses: { 201: OBJECTS.App },
  errors: ["not_found", "conflict", "quota_exceeded"],
  commit: (context, { namespace, body }) => makeApp(context, namespace, body),
});

export const patchApp = route({
  method: "PATCH",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app",
  permission: "apps.update",
  summary: "Change env, processes, labels or source; a live app gets a new release",
  body: AppPatch,
  responses: { 200: OBJECTS.App },
  errors: ["not_found", "conflict", "quota_exceeded"],
  commit: (context, { namespace, params, body }) => changeApp(context, namespace, params.app, body),
});

export const deleteApp = route({
  method: "DELETE",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app",
  permission: "apps.delete",
  summary: "Stop and remove an app",
  responses: { 202: OBJECTS.App },
  errors: ["not_found"],
  commit: (context, { namespace, params }) => removeApp(context, namespace, params.app),
});

export const scaleApp = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/scale",
  permission: "apps.update",
  summary: "Run another number of instances of a process",
  body: ScaleRequest,
  responses: { 200: OBJECTS.App },
  errors: ["not_found", "conflict", "quota_exceeded"],
  commit: (context, { namespace, params, body }) => changeScale(context, namespace, params.app, body),
});

export const rollback = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/rollback",
  permission: "deployments.create",
  summary: "Roll out an older release as it was",
  body: RollbackRequest,
  responses: { 201: OBJECTS.Deployment },
  errors: ["not_found", "conflict", "precondition_failed", "quota_exceeded"],
  commit: (context, { namespace, params, body }) => goBack(context, namespace, params.app, body.release),
});

export const deployImage = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/deploy",
  permission: "builds.create",
  summary: "Deploy an image from a registry",
  body: DeployImageRequest,
  responses: { 201: OBJECTS.Build },
  errors: ["not_found", "conflict"],
  commit: (context, { namespace, params, body }) => startImage(context, namespace, params.app, body.reference),
});

export const apply = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apply",
  permission: "apps.update",
  summary: "Make an object as it is described",
  query: DryRunQuery,
  body: ApplyRequest,
  responses: { 200: OBJECTS.App },
  errors: ["not_found", "conflict", "quota_exceeded", "unsupported"],
  commit: (context, { place, body }) => applyObject(context, place, body),
});
