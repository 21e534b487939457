"use client";

import { useMemo } from "react";
import { type PlimLines, plimLines } from "#format/plim.ts";
import { useSession } from "./session.tsx";

/** The `plim` lines for a namespace: they name it only for people who have more than one. */
export function usePlim({ team, namespace }: { readonly team: string; readonly namespace: string }): PlimLines {
  const { me } = useSession();
  const several = (me?.teams.flatMap((one) => one.namespaces).length ?? 0) > 1;
  return useMemo(() => plimLines(several ? `${team}/${namespace}` : undefined), [several, team, namespace]);
}
