"use client";

import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import type { AppRef } from "#features/app/app-ref.ts";
import { instanceLabel } from "#features/app/instance-order.ts";
import type { BuildProgressState } from "#log/build-progress.ts";
import type { LogLine } from "#log/lines.ts";
import { LogView } from "#log/log-view.tsx";
import { useRuntimeLog } from "#log/use-runtime-log.ts";
import type { FollowState } from "#stream/event-stream.ts";
import { namespacePath } from "#watch/collections.ts";
import type { RolloutStep } from "./rollout.ts";
import type { Selection } from "./step-tree.tsx";

/** The log of what is selected in the tree. */
export function SelectedLog(props: {
  readonly at: AppRef;
  readonly selected: Selection;
  readonly build: Resource<"Build"> | undefined;
  readonly deployment: Resource<"Deployment"> | undefined;
  readonly progress: BuildProgressState;
  readonly stream: FollowState;
  readonly steps: readonly RolloutStep[];
}) {
  const { selected, build, deployment, progress, stream, steps } = props;
  const t = useTranslations("deployment");
  if (selected.startsWith("step:")) {
    const step = progress.stages.flatMap((stage) => stage.steps).find((one) => `step:${one.step.index}` === selected);
    if (step) {
      return (
        <LogView
          label={t("logOfStep", { step: step.step.label })}
          head={step.step.label}
          lines={step.lines}
          dropped={step.dropped}
          {...(step.state === "running" ? { stream } : {})}
          empty={t(`stepEmpty.${step.state}`)}
        />
      );
    }
  }
  if (selected.startsWith("instance:")) {
    const step = steps.find((one) => one.kind === "instance" && `instance:${one.id}` === selected);
    if (step?.kind === "instance") return <InstanceLog at={props.at} instance={step.instance} />;
  }
  if (selected === "drain") {
    const step = steps.find((one) => one.kind === "drain");
    const lines: LogLine[] = deployment?.status.message ? [{ text: deployment.status.message, tone: "plain" }] : [];
    return <LogView label={t("logOfDrain")} head={t("logOfDrain")} lines={lines} empty={t(`drainText.${step?.state ?? "waiting"}`)} />;
  }
  const failure = deployment?.status.failure;
  if (failure && (selected === "failure" || selected.startsWith("instance:"))) {
    return (
      <LogView
        label={t("logOfInstance", { instance: failure.instance })}
        head={t("lastLinesOf", { instance: failure.instance })}
        lines={failure.logTail.map((text): LogLine => ({ text, tone: "plain" }))}
        empty={t("noLines")}
      />
    );
  }
  return (
    <LogView
      label={t("logOfBuild")}
      head={t("logOfBuild")}
      lines={progress.all}
      {...(build ? { stream } : {})}
      empty={build ? t("buildEmpty") : t("noBuild")}
    />
  );
}

/** The live log of an instance that takes part in the rollout. */
function InstanceLog({ at, instance }: { readonly at: AppRef; readonly instance: Resource<"Instance"> }) {
  const t = useTranslations("deployment");
  const log = useRuntimeLog(
    `${namespacePath(at.team, at.namespace)}/instances/${instance.metadata.name}`,
    instance.status.phase === "stopped",
  );
  return (
    <LogView
      label={t("logOfInstance", { instance: instanceLabel(instance) })}
      head={instanceLabel(instance)}
      lines={log.lines}
      dropped={log.dropped}
      stream={log.stream}
      empty={t("noLines")}
    />
  );
}
