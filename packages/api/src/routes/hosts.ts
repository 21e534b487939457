import { HostLoadDetail, HostLoadList, HostPatch, HostToken, NewHostToken, OBJECT_LISTS, OBJECTS } from "@plimsoll/contracts";
import { PLATFORM_SCOPE } from "@plimsoll/core";
import { z } from "zod";
import { DEFAULT_HOST_ROLES, createHostToken as makeHostToken } from "../agent/enroll.ts";
import { setSchedulable } from "../hosts/close-host.ts";
import { hostLoadOf, hostLoads } from "../hosts/host-load.ts";
import { removeHost } from "../hosts/remove-host.ts";
import { route } from "../http/route.ts";
import { listPage } from "./lists.ts";
import { ListQuery } from "./schemas.ts";

const RemoveHostQuery = z.object({
  force: z.stringbool().default(false).describe("also when images of live apps are lost with it"),
});

export const listHosts = route({
  method: "GET",
  path: "/api/v1/hosts",
  permission: "hosts.read",
  summary: "The hosts of the platform",
  query: ListQuery.omit({ app: true }),
  responses: { 200: OBJECT_LISTS.Host },
  errors: [],
  handler: ({ api, caller, query }) => listPage(api.db.objects(caller.scope), "Host", PLATFORM_SCOPE, query),
});

export const listHostLoads = route({
  method: "GET",
  path: "/api/v1/host-loads",
  permission: "hosts.read",
  summary: "What runs on each host, of its capacity, its pressure, and when it was last heard of",
  responses: { 200: HostLoadList },
  errors: [],
  handler: async ({ api, caller }) => ({ items: await hostLoads(api.db, await api.db.objects(caller.scope).list("Host")) }),
});

export const getHostLoad = route({
  method: "GET",
  path: "/api/v1/hosts/:host/load",
  permission: "hosts.read",
  summary: "What runs on a host, namespace by namespace, and what was done to it",
  responses: { 200: HostLoadDetail },
  errors: ["not_found"],
  handler: async ({ api, caller, params }) =>
    hostLoadOf(api.db, await api.db.objects(caller.scope).getByName("Host", PLATFORM_SCOPE, params.host)),
});

export const patchHost = route({
  method: "PATCH",
  path: "/api/v1/hosts/:host",
  permission: "operator",
  summary: "Close a host to new work, so that what runs there moves away, or open it again",
  body: HostPatch,
  responses: { 200: OBJECTS.Host },
  errors: ["not_found"],
  commit: async (context, { params, body }) =>
    setSchedulable(context, await context.tx.objects.getByName("Host", PLATFORM_SCOPE, params.host), body.schedulable),
});

export const deleteHost = route({
  method: "DELETE",
  path: "/api/v1/hosts/:host",
  permission: "operator",
  summary: "Remove a host that has nothing to do any more; its credentials end",
  query: RemoveHostQuery,
  responses: { 204: null },
  errors: ["not_found", "conflict"],
  commit: async (context, { params, query }) => {
    await removeHost(context, await context.tx.objects.getByName("Host", PLATFORM_SCOPE, params.host), query);
    return null;
  },
});

export const createHostToken = route({
  method: "POST",
  path: "/api/v1/host-tokens",
  permission: "hosts.enroll",
  summary: "A token that makes one machine a host with these roles, and the line to run there",
  body: NewHostToken,
  responses: { 201: HostToken },
  errors: [],
  commit: async ({ tx, caller }, { api, body, requestId }) => {
    const { roles = DEFAULT_HOST_ROLES, name } = body ?? {};
    const made = await makeHostToken(tx, { roles, ...(name === undefined ? {} : { name }) }, api.settings.hostCommand);
    tx.audit({ actor: caller.actor, action: "hosts.token", requestId, details: { roles, name } });
    return made;
  },
});
