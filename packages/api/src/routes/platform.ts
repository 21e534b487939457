import { z } from "zod";
import { route } from "../http/route.ts";

export const health = route({
  method: "GET",
  path: "/api/v1/healthz",
  permission: "public",
  summary: "Whether the API and its database answer",
  responses: { 200: z.object({ status: z.literal("ok") }) },
  errors: ["unavailable"],
  handler: async ({ api }) => {
    await api.db.ping();
    return { status: "ok" as const };
  },
});
