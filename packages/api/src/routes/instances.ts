import { z } from "zod";
import { route } from "../http/route.ts";
import { eventStream } from "../http/sse.ts";
import { logEvents, openInstanceLog } from "../watch/instance-log.ts";

const LogQuery = z.object({
  tail: z.coerce.number().int().min(0).max(10_000).default(200).describe("lines from before now"),
  follow: z.stringbool().default(false).describe("go on with what comes"),
});

export const instanceLog = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/instances/:name/log",
  permission: "logs.read",
  summary: "Log of an instance as server-sent events; ends with `end`, when followed resumes by Last-Event-ID",
  query: LogQuery,
  responses: { 200: "stream" },
  errors: ["not_found", "unavailable", "timeout"],
  handler: async ({ api, caller, namespace, params, query, request }) => {
    const instance = await api.db.objects(caller.scope).getByName("Instance", namespace.metadata.uid, params.name);
    const after = /^\d{1,9}:\d{1,15}$/.exec(request.headers.get("last-event-id") ?? "")?.[0];
    const resumed = after === undefined || !query.follow ? {} : { after };
    const answer = await openInstanceLog(api, instance, { ...query, ...resumed }, request.signal);
    return eventStream(request, (signal) => logEvents(answer, signal));
  },
});
