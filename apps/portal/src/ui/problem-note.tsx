"use client";

import { Alert } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useTranslations } from "next-intl";
import type { ReactNode } from "react";
import type { ShownProblem } from "#api/problem.ts";

/** What went wrong, in the API's own words, where the person looks. */
export function ProblemNote({ problem, title }: { readonly problem: ShownProblem | undefined; readonly title?: string }) {
  const text = useProblemText();
  if (!problem) return null;
  return (
    <Note tone="bad" {...(title === undefined ? {} : { title })}>
      {text(problem)}
      {problem.fields && problem.fields.length > 0 && (
        <ul>
          {problem.fields.map((field) => (
            <li key={`${field.path} ${field.message}`}>
              {field.path && <code>{field.path} </code>}
              {field.message}
            </li>
          ))}
        </ul>
      )}
    </Note>
  );
}

/** A sentence that must not be overlooked. */
export function Note(props: { readonly tone: "bad" | "warn"; readonly title?: string; readonly children: ReactNode }) {
  return (
    <Alert
      role="alert"
      variant="default"
      p="xs"
      icon={<IconAlertTriangle size={16} color={props.tone === "bad" ? "var(--bad)" : "var(--warn)"} />}
      styles={{
        root: {
          background: props.tone === "bad" ? "var(--bad-soft)" : "var(--warn-soft)",
          borderColor: `color-mix(in srgb, ${props.tone === "bad" ? "var(--bad)" : "var(--warn)"} 35%, transparent)`,
        },
        message: { color: "var(--ink)", fontSize: 13 },
        title: { color: "var(--ink)" },
      }}
      {...(props.title === undefined ? {} : { title: props.title })}
    >
      {props.children}
    </Alert>
  );
}

/** The sentence of a problem; what the API did not say itself (no answer came) is said here. */
export function useProblemText(): (problem: ShownProblem) => string {
  const t = useTranslations("problem");
  return (problem) => {
    if (problem.detail) return problem.detail;
    return problem.status === 0 ? t("unreachable") : t("odd", { status: problem.status });
  };
}
