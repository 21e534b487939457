import { BranchList, DeployBranchRequest, NewBuild, OBJECTS } from "@plimsoll/contracts";
import { listBranches as readBranches } from "../apps/branches.ts";
import { buildCommit } from "../apps/build-commit.ts";
import { cancelBuild as stopBuild } from "../apps/cancel-build.ts";
import { deployBranch as startBranch } from "../apps/deploy-commit.ts";
import { route } from "../http/route.ts";
import { eventStream } from "../http/sse.ts";
import { followBuildLog, parsePosition } from "../watch/build-log.ts";

export const createBuild = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/builds",
  permission: "builds.create",
  summary: "Build a commit that the app's repository has, without releasing it",
  body: NewBuild,
  responses: { 201: OBJECTS.Build },
  errors: ["not_found", "conflict", "precondition_failed"],
  handler: ({ api, caller, namespace, params, body }) => buildCommit(api, caller, namespace, params.app, body),
});

export const listBranches = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/branches",
  permission: "apps.read",
  summary: "Branches and tags that the app's repository stores",
  responses: { 200: BranchList },
  errors: ["not_found"],
  handler: ({ api, caller, namespace, params }) => readBranches(api, caller, namespace, params.app),
});

export const deployBranch = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/deploy-branch",
  permission: "builds.create",
  summary: "Build and release the commit of a stored branch",
  body: DeployBranchRequest,
  responses: { 201: OBJECTS.Build },
  errors: ["not_found", "conflict", "precondition_failed", "quota_exceeded"],
  handler: ({ api, caller, namespace, params, body }) => startBranch(api, caller, namespace, params.app, body.branch),
});

export const cancelBuild = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/builds/:name/cancel",
  permission: "builds.cancel",
  summary: "Stop a build",
  responses: { 200: OBJECTS.Build },
  errors: ["not_found"],
  commit: (context, { namespace, params }) => stopBuild(context, namespace, params.name),
});

export const buildLog = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/builds/:name/log",
  permission: "logs.read",
  summary: "Progress of a build as server-sent events; ends with `end`, resumes by Last-Event-ID",
  responses: { 200: "stream" },
  errors: ["not_found"],
  handler: async ({ api, caller, namespace, params, request }) => {
    const build = await api.db.objects(caller.scope).getByName("Build", namespace.metadata.uid, params.name);
    const from = parsePosition(request.headers.get("last-event-id"));
    const which = { uid: build.metadata.uid, namespaceUid: namespace.metadata.uid };
    return eventStream(request, (signal) => followBuildLog(api, caller, which, from, signal));
  },
});
