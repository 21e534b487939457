import { z } from "zod";

/** What a commit says of the processes and the environment of its app, as kept with its build. */
export const CommitConfig = z.object({
  /** Of the repository: `plimsoll.yaml`, or a Procfile. */
  file: z.string(),
  /** All processes of the app; absent: the commit says nothing of them. */
  processes: z
    .record(
      z.string(),
      z.object({
        command: z.array(z.string()).optional(),
        replicas: z.int().optional(),
        cpuMillis: z.int().optional(),
        memoryBytes: z.int().optional(),
        port: z.int().optional(),
        ready: z.string().optional(),
        readyTimeoutMs: z.int().optional(),
        stopGraceMs: z.int().optional(),
      }),
    )
    .optional(),
  env: z.record(z.string(), z.string()),
  releaseCommand: z.object({ command: z.array(z.string()), timeoutMs: z.int() }).optional(),
});
export type CommitConfig = z.infer<typeof CommitConfig>;
