"use client";

import { useTranslations } from "next-intl";
import type { AppRef } from "#features/app/app-ref.ts";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList, useNamed } from "#watch/hooks.tsx";
import { RolloutSkeleton } from "./rollout-skeleton.tsx";
import { RolloutView } from "./rollout-view.tsx";

/** A deployment by its name, with the build and the release that it rolls out. */
export function DeploymentPage({ name, ...at }: AppRef & { readonly name: string }) {
  const t = useTranslations("deployment");
  const scope = namespacePath(at.team, at.namespace);
  const { object: deployment, missing, problem } = useNamed(scope, "deployments", name, at.app);
  const releases = useList(scope, "releases", at.app);
  const builds = useList(scope, "builds", at.app);
  if (missing) {
    return (
      <Message
        title={t("missing", { name })}
        text={t("missingText", { app: at.app })}
        link={{ href: to.deployments(at.team, at.namespace, at.app), label: t("toDeployments") }}
      />
    );
  }
  if (!deployment || !releases.loaded || !builds.loaded) {
    return <RolloutSkeleton at={at} name={name} problem={problem ?? releases.problem ?? builds.problem} />;
  }
  const release = releases.items.find((one) => one.spec.number === deployment.spec.release);
  const build = builds.items.find((one) => one.metadata.uid === release?.spec.buildUid || one.status.release === deployment.spec.release);
  return (
    <RolloutView
      at={at}
      build={deployment.spec.reason === "push" || deployment.spec.reason === "image" ? build : undefined}
      release={release}
      deployment={deployment}
    />
  );
}
