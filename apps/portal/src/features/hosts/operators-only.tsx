"use client";

import { notFound } from "next/navigation";
import type { ReactNode } from "react";
import { useSession } from "#session/session.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";

/** A page of the platform's operators: for everybody else there is none at its address. The API refuses by itself. */
export function OperatorsOnly({ children }: { readonly children: ReactNode }) {
  const { me, problem } = useSession();
  if (me) return me.operator ? children : notFound();
  return problem ? (
    <main>
      <ProblemNote problem={problem} />
    </main>
  ) : null;
}
