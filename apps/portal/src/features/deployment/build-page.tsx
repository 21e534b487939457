"use client";

import { useTranslations } from "next-intl";
import type { AppRef } from "#features/app/app-ref.ts";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList, useNamed } from "#watch/hooks.tsx";
import { RolloutSkeleton } from "./rollout-skeleton.tsx";
import { RolloutView } from "./rollout-view.tsx";
import { deploymentOf } from "./timeline.ts";

/** A build by its name; once it made a release, its rollout too, so that one can stay and watch it go live. */
export function BuildPage({ name, ...at }: AppRef & { readonly name: string }) {
  const t = useTranslations("deployment");
  const scope = namespacePath(at.team, at.namespace);
  const { object: build, missing, problem } = useNamed(scope, "builds", name, at.app);
  const releases = useList(scope, "releases", at.app);
  const deployments = useList(scope, "deployments", at.app);
  if (missing) {
    return (
      <Message
        title={t("missing", { name })}
        text={t("missingText", { app: at.app })}
        link={{ href: to.deployments(at.team, at.namespace, at.app), label: t("toDeployments") }}
      />
    );
  }
  if (!build || !releases.loaded || !deployments.loaded) {
    return <RolloutSkeleton at={at} name={name} problem={problem ?? releases.problem ?? deployments.problem} />;
  }
  const release = releases.items.find((one) => one.spec.number === build.status.release);
  return <RolloutView at={at} build={build} release={release} deployment={deploymentOf(build, deployments.items)} />;
}
