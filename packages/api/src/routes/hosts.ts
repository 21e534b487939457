import { HostToken, NewHostToken, OBJECT_LISTS } from "@plimsoll/contracts";
import { PLATFORM_SCOPE } from "@plimsoll/core";
import { DEFAULT_HOST_ROLES, createHostToken as makeHostToken } from "../agent/enroll.ts";
import { route } from "../http/route.ts";
import { listPage } from "./lists.ts";
import { ListQuery } from "./schemas.ts";

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
