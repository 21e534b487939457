import { NamespacePatch, NewNamespace, NewTeam, OBJECT_LISTS, OBJECTS, QuotaPatch, TeamPatch } from "@plimsoll/contracts";
import { route } from "../http/route.ts";
import { patchNamespace as changeNamespace, createNamespace as makeNamespace } from "../tenants/namespaces.ts";
import { editQuota as changeQuota } from "../tenants/quota.ts";
import { patchTeam as changeTeam, createTeam as makeTeam } from "../tenants/teams.ts";
import { listPage } from "./lists.ts";
import { DryRunQuery, ListQuery } from "./schemas.ts";

export const getTeam = route({
  method: "GET",
  path: "/api/v1/teams/:team",
  permission: "teams.read",
  summary: "A team with its quota and what is used and given of it",
  responses: { 200: OBJECTS.Team },
  errors: ["not_found"],
  handler: async ({ team }) => team,
});

export const createTeam = route({
  method: "POST",
  path: "/api/v1/teams",
  permission: "operator",
  summary: "Make a team with its quota and, where one is named, its first owner",
  body: NewTeam,
  responses: { 201: OBJECTS.Team },
  errors: ["not_found", "conflict"],
  commit: (context, { body }) => makeTeam(context, body),
});

export const patchTeam = route({
  method: "PATCH",
  path: "/api/v1/teams/:team",
  permission: "operator",
  summary: "Change a team's display name, or give it more or less of the platform",
  body: TeamPatch,
  responses: { 200: OBJECTS.Team },
  errors: ["not_found"],
  commit: (context, { team, body }) => changeTeam(context, team, body),
});

export const listNamespaces = route({
  method: "GET",
  path: "/api/v1/teams/:team/namespaces",
  permission: "namespaces.read",
  summary: "The namespaces of a team",
  query: ListQuery.omit({ app: true }),
  responses: { 200: OBJECT_LISTS.Namespace },
  errors: ["not_found"],
  handler: ({ api, caller, team, query }) => listPage(api.db.objects(caller.scope), "Namespace", team.metadata.uid, query),
});

export const createNamespace = route({
  method: "POST",
  path: "/api/v1/teams/:team/namespaces",
  permission: "namespaces.create",
  summary: "Make a namespace with a share of the team's quota",
  body: NewNamespace,
  responses: { 201: OBJECTS.Namespace },
  errors: ["not_found", "conflict", "quota_exceeded"],
  commit: (context, { team, body }) => makeNamespace(context, team, body),
});

export const getNamespace = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace",
  permission: "namespaces.read",
  summary: "A namespace with its quota and what is used of it",
  responses: { 200: OBJECTS.Namespace },
  errors: ["not_found"],
  handler: async ({ namespace }) => namespace,
});

export const patchNamespace = route({
  method: "PATCH",
  path: "/api/v1/namespaces/:team/:namespace",
  permission: "quota.edit",
  summary: "Change a namespace's display name, or what one of its builds may take",
  body: NamespacePatch,
  responses: { 200: OBJECTS.Namespace },
  errors: ["not_found", "quota_exceeded"],
  commit: (context, { namespace, body }) => changeNamespace(context, namespace, body),
});

export const editQuota = route({
  method: "PATCH",
  path: "/api/v1/namespaces/:team/:namespace/quota",
  permission: "quota.edit",
  summary: "Give a namespace more or less of its team's quota",
  query: DryRunQuery,
  body: QuotaPatch,
  responses: { 200: OBJECTS.Namespace },
  errors: ["not_found", "quota_exceeded"],
  commit: (context, { namespace, body }) => changeQuota(context, namespace, body.quota),
});
