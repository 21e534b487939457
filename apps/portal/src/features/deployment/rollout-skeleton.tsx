"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { ShownProblem } from "#api/problem.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { to } from "#shell/links.ts";
import { Page } from "#ui/page.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import classes from "./deployment.module.css";

/** The page's frame before its objects are known. */
export function RolloutSkeleton({
  at,
  problem,
}: {
  readonly at: AppRef;
  readonly name: string;
  readonly problem: ShownProblem | undefined;
}) {
  const t = useTranslations("deployment");
  return (
    <Page
      wide
      crumbsLabel={t("crumbs")}
      crumbs={[
        { href: to.namespace(at.team, at.namespace), label: `${at.team} / ${at.namespace}` },
        { href: to.app(at.team, at.namespace, at.app), label: at.app },
        { href: to.deployments(at.team, at.namespace, at.app), label: t("deployments") },
      ]}
      title={<Skeleton height={18} width={180} />}
      facts={<Skeleton height={12} width={420} my={4} />}
    >
      <ProblemNote problem={problem} />
      <div className={classes.split}>
        <div className={classes.left} />
        <div className={classes.right} />
      </div>
    </Page>
  );
}
