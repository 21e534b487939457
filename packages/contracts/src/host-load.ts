import { z } from "zod";
import { HostReport } from "./agent.ts";

const Count = z.int().min(0);

/** What of one namespace is bound to a host. */
const NamespaceLoad = z.object({
  /** `acme/store`. */
  namespace: z.string(),
  instances: Count,
  builds: Count,
  cpuMillis: Count,
  memoryBytes: Count,
});

/** What is bound to a host, against its capacity, and how it is. */
export const HostLoad = z.object({
  host: z.string(),
  /** When it last spoke; absent: never yet. */
  heardAt: z.string().optional(),
  /** Instances that are not stopped, and builds placed or running. */
  instances: Count,
  builds: Count,
  /** What instances are promised; builds take what is left. */
  cpuMillis: Count,
  memoryBytes: Count,
  /** Pressure stall information of ten seconds, in percent, as the host told last; absent where it is silent or its kernel measures none. */
  pressure: HostReport.shape.pressure,
  namespaces: z.array(NamespaceLoad),
});
export type HostLoad = z.infer<typeof HostLoad>;

export const HostLoadList = z.object({ items: z.array(HostLoad) });

/** The load of one host, and what was done to it, latest first. */
export const HostLoadDetail = HostLoad.extend({
  history: z.array(
    z.object({
      at: z.string(),
      /** `hosts.close`, as the audit has it. */
      action: z.string(),
      /** A person's name; absent: the host itself, or somebody who is gone. */
      by: z.string().optional(),
    }),
  ),
});
export type HostLoadDetail = z.infer<typeof HostLoadDetail>;
