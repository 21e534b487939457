import type { Resource } from "@plimsoll/core";

/** `web-1`: what people call an instance. */
export function instanceLabel(instance: Resource<"Instance">): string {
  return `${instance.spec.process}-${instance.spec.ordinal}`;
}

/** By process and ordinal; of one ordinal the newest release first. */
export function inOrder(instances: readonly Resource<"Instance">[]): Resource<"Instance">[] {
  return [...instances].sort(
    (a, b) =>
      Number(b.spec.process === "web") - Number(a.spec.process === "web") ||
      a.spec.process.localeCompare(b.spec.process) ||
      a.spec.ordinal - b.spec.ordinal ||
      b.spec.release - a.spec.release ||
      a.metadata.name.localeCompare(b.metadata.name),
  );
}
