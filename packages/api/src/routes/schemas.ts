import { z } from "zod";

/** Lists of objects: filters and paging. */
export const ListQuery = z.object({
  labels: z.string().max(1_000).optional().describe("`name=value`, several separated by commas: all must match"),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  continue: z.string().max(200).optional().describe("what the page before answered as `continue`"),
  app: z.string().max(40).optional().describe("only what belongs to this app"),
});

export const DryRunQuery = z.object({ dryRun: z.stringbool().default(false).describe("answer what would be, change nothing") });
