import { AppError, type Kind } from "@plimsoll/core";
import type { Prisma } from "./generated/client.ts";

/**
 * Whose objects a caller may see: the one door of invariant 5. Every repository takes it and fails closed; an object outside of it
 * is `not_found`, never `forbidden`.
 */
export type TenantScope =
  /** The platform itself (controllers) and its operators. */
  | { readonly kind: "platform" }
  /** Members of these teams. */
  | { readonly kind: "teams"; readonly teamUids: readonly string[] };

export const PLATFORM: TenantScope = { kind: "platform" };

/** The scope as a filter on objects. A team's members see the team itself, what is in it, and no platform object. */
export function objectFilter(scope: TenantScope): Prisma.ObjectWhereInput {
  return scope.kind === "platform" ? {} : { teamUid: { in: [...scope.teamUids] } };
}

/** Throws `not_found` unless rows of this team are inside the scope. */
export function assertTeamVisible(scope: TenantScope, teamUid: string | null | undefined): void {
  if (scope.kind === "platform") return;
  if (teamUid && scope.teamUids.includes(teamUid)) return;
  throw new AppError("not_found", "There is no such object, or it is not yours to see.");
}

export function notFound(kind: Kind, name: string): AppError {
  return new AppError("not_found", `${kind} ${name} does not exist here; check the name, or list what there is.`);
}
