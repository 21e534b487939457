import { Health } from "@plimsoll/contracts";
import { route } from "../http/route.ts";

export const health = route({
  method: "GET",
  path: "/api/v1/healthz",
  permission: "public",
  summary: "Whether the API and its database answer",
  responses: { 200: Health },
  errors: ["unavailable"],
  handler: async ({ api }) => {
    await api.db.ping();
    return { status: "ok" as const };
  },
});
