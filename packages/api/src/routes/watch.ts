import { z } from "zod";
import { route } from "../http/route.ts";
import { eventStream } from "../http/sse.ts";
import { assertWatchable, parseScopes } from "../watch/scopes.ts";
import { watch as follow } from "../watch/watch.ts";

const WatchQuery = z.object({
  scope: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe("`<scope uid>:<version>`, once or several times"),
});

export const watch = route({
  method: "GET",
  path: "/api/v1/watch",
  permission: "self",
  summary: "Changes of scopes as server-sent events; `gone` means: list again",
  query: WatchQuery,
  responses: { 200: "stream" },
  errors: ["not_found"],
  handler: async ({ api, caller, credential, query, request }) => {
    const scopes = parseScopes(query.scope, request.headers.get("last-event-id"));
    for (const scope of scopes.keys()) await assertWatchable(api.db, caller, scope);
    return eventStream(request, (signal) => follow(api, { caller, credential }, scopes, signal));
  },
});
