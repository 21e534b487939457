import { CleanedCache, HostDisk, HostDiskList, NamespaceDisk } from "@plimsoll/contracts";
import { PLATFORM_SCOPE } from "@plimsoll/core";
import { cleanCache, hostDiskOf, hostDisks, namespaceDisk } from "../disk/disk.ts";
import { route } from "../http/route.ts";

export const getNamespaceDisk = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/disk",
  permission: "disk.read",
  summary: "What a namespace has on the disks of the hosts, by what it is for and by app",
  responses: { 200: NamespaceDisk },
  errors: ["not_found"],
  handler: ({ api, namespace }) => namespaceDisk(api.db, namespace),
});

export const cleanBuildCache = route({
  method: "DELETE",
  path: "/api/v1/namespaces/:team/:namespace/build-cache",
  permission: "disk.clean",
  summary: "Remove a namespace's build cache on every host: the next builds run every step",
  responses: { 202: CleanedCache },
  errors: ["not_found"],
  commit: (context, { namespace }) => cleanCache(context, namespace),
});

export const listDisks = route({
  method: "GET",
  path: "/api/v1/disks",
  permission: "hosts.read",
  summary: "The disk ledgers of all hosts: whose every byte is",
  responses: { 200: HostDiskList },
  errors: [],
  handler: async ({ api, caller }) => ({ items: await hostDisks(api.db, await api.db.objects(caller.scope).list("Host")) }),
});

export const getHostDisk = route({
  method: "GET",
  path: "/api/v1/hosts/:host/disk",
  permission: "hosts.read",
  summary: "The disk ledger of a host: whose every byte is",
  responses: { 200: HostDisk },
  errors: ["not_found"],
  handler: async ({ api, caller, params }) =>
    hostDiskOf(api.db, await api.db.objects(caller.scope).getByName("Host", PLATFORM_SCOPE, params.host)),
});
