import {
  BuildClaim,
  BuildProgress,
  BuildResult,
  DesiredState,
  DiskReport,
  EnrollRequest,
  EnrollResponse,
  HostReport,
  HostUpdate,
  PackageReport,
  Problem,
} from "@plimsoll/contracts";
import { AppError, type ErrorCode } from "@plimsoll/core";
import { z } from "zod";
import { claimBuild as claim, takeProgress, takeResult } from "../agent/builds.ts";
import { desiredState } from "../agent/desired.ts";
import { enrollHost, updateHost } from "../agent/enroll.ts";
import { fetchLayer } from "../agent/layers.ts";
import { takeReport } from "../agent/report.ts";
import { takeDisk } from "../disk/disk.ts";
import { readJson } from "../http/body.ts";
import { route } from "../http/route.ts";
import { takePackages } from "../packages/packages.ts";
import { blobForBuild, manifestForBuild } from "../registry/for-builds.ts";

/** The boundary to agents (contracts/agent.ts): a host's credential works here and nowhere else, and no other works here. */

const MEGABYTE = 1024 * 1024;

export const enroll = route({
  method: "POST",
  path: "/api/agent/v1/enroll",
  permission: "public",
  summary: "Make this machine a host",
  body: EnrollRequest,
  responses: { 200: EnrollResponse },
  errors: ["unauthenticated", "conflict", "unsupported"],
  handler: ({ api, body, requestId }) => enrollHost(api, body, requestId),
});

export const update = route({
  method: "PUT",
  path: "/api/agent/v1/host",
  permission: "host",
  summary: "What this host is: its address, roles and capacity",
  body: HostUpdate,
  responses: { 204: null },
  errors: [],
  handler: async ({ api, hostUid, body }) => {
    await updateHost(api, hostUid, body);
    return null;
  },
});

export const desired = route({
  method: "GET",
  path: "/api/agent/v1/desired",
  permission: "host",
  summary: "Everything this host has to do and may know",
  responses: { 200: DesiredState },
  errors: [],
  handler: ({ api, hostUid }) => desiredState(api, hostUid),
});

export const report = route({
  method: "POST",
  path: "/api/agent/v1/report",
  permission: "host",
  summary: "What is on this host; prolongs its lease",
  body: HostReport,
  bodyLimitBytes: 16 * MEGABYTE,
  responses: { 204: null },
  errors: [],
  handler: async ({ api, hostUid, body }) => {
    await takeReport(api.db, hostUid, body);
    return null;
  },
});

export const disk = route({
  method: "PUT",
  path: "/api/agent/v1/disk",
  permission: "host",
  summary: "Whose every byte on this host is",
  body: DiskReport,
  bodyLimitBytes: 16 * MEGABYTE,
  responses: { 204: null },
  errors: [],
  handler: async ({ api, hostUid, body }) => {
    await takeDisk(api.db, hostUid, body);
    return null;
  },
});

export const packages = route({
  method: "PUT",
  path: "/api/agent/v1/images/:digest/packages",
  permission: "host",
  summary: "The packages of an image that this host was to list; said twice or too late, it changes nothing",
  body: PackageReport,
  bodyLimitBytes: 32 * MEGABYTE,
  responses: { 204: null },
  errors: [],
  handler: async ({ api, hostUid, params, body }) => {
    await takePackages(api.db, hostUid, params.digest, body.list);
    return null;
  },
});

export const claimBuild = route({
  method: "POST",
  path: "/api/agent/v1/builds/:uid/claim",
  permission: "host",
  summary: "Take a build that was placed on this host",
  responses: { 200: BuildClaim },
  errors: ["not_found", "conflict"],
  handler: ({ api, hostUid, params }) => claim(api.db, hostUid, params.uid),
});

const Epoch = z.int().min(0);

export const buildProgress = route({
  method: "POST",
  path: "/api/agent/v1/builds/:uid/progress",
  permission: "host",
  summary: "What a build says, in order; prolongs its lease, also when empty",
  body: z.object({ epoch: Epoch, entries: z.array(BuildProgress).max(5_000) }),
  bodyLimitBytes: 8 * MEGABYTE,
  responses: { 200: z.object({ cancelled: z.boolean() }) },
  errors: ["stale_lease"],
  handler: ({ api, hostUid, params, body }) => takeProgress(api.db, hostUid, params.uid, body.epoch, body.entries),
});

export const buildResult = route({
  method: "POST",
  path: "/api/agent/v1/builds/:uid/result",
  permission: "host",
  summary: "How a build ended",
  body: z.object({ epoch: Epoch, result: BuildResult, entries: z.array(BuildProgress).max(5_000).default([]) }),
  bodyLimitBytes: 8 * MEGABYTE,
  responses: { 204: null },
  errors: ["stale_lease"],
  handler: async ({ api, hostUid, params, body }) => {
    await takeResult(api.db, hostUid, params.uid, body);
    return null;
  },
});

export const layer = route({
  method: "GET",
  path: "/api/agent/v1/layers/:digest",
  permission: "host",
  summary: "The archive of a layer that an instance here needs, from a host that has it",
  query: z.object({ from: z.string().max(64).optional().describe("name or uid of a host to ask first") }),
  responses: { 200: "stream" },
  errors: ["not_found", "unavailable", "timeout"],
  handler: async ({ api, hostUid, params, query, request }) => {
    const archive = await fetchLayer(api, hostUid, params.digest, query.from, request.signal);
    return new Response(archive, { headers: { "content-type": "application/octet-stream" } });
  },
});

const ImageQuery = z.object({ reference: z.string().max(512).describe("as the build names it, of this platform's registry") });

export const imageManifest = route({
  method: "GET",
  path: "/api/agent/v1/namespaces/:uid/image-manifest",
  permission: "host",
  summary: "The manifest of an image in the platform's registry, for builds of its namespace",
  query: ImageQuery,
  responses: { 200: "stream" },
  errors: ["not_found", "unavailable"],
  handler: ({ api, hostUid, params, query }) => manifestForBuild(api, { hostUid, namespaceUid: params.uid, reference: query.reference }),
});

export const imageBlob = route({
  method: "GET",
  path: "/api/agent/v1/namespaces/:uid/image-blobs/:digest",
  permission: "host",
  summary: "A blob of such an image",
  query: ImageQuery,
  responses: { 200: "stream" },
  errors: ["not_found", "unavailable"],
  handler: ({ api, hostUid, params, query }) =>
    blobForBuild(api, { hostUid, namespaceUid: params.uid, reference: query.reference }, params.digest),
});

/** A host that does not have what was asked for posts a problem (application/problem+json) instead of the bytes. */
export const answerStream = route({
  method: "POST",
  path: "/api/agent/v1/streams/:id",
  permission: "host",
  summary: "The bytes that somebody waits for; answered when they have them all or have left",
  responses: { 204: null },
  errors: ["not_found"],
  handler: async ({ api, hostUid, params, request }) => {
    const refused = request.headers.get("content-type")?.startsWith("application/problem+json") === true;
    const body = request.body ?? new Blob([]).stream();
    await api.streams.answer(hostUid, params.id, refused ? await refusalOf(request) : body);
    return null;
  },
});

async function refusalOf(request: Request): Promise<AppError> {
  const problem = Problem.safeParse(await readJson(request, 64 * 1024));
  if (!problem.success) throw new AppError("invalid", "This is no problem document (RFC 9457).");
  return new AppError(problem.data.code as ErrorCode, problem.data.detail);
}
