"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import type { ReactNode } from "react";
import { instanceLabel } from "#features/app/instance-order.ts";
import { between } from "#format/time.ts";
import type { BuildProgressState, StepProgress } from "#log/build-progress.ts";
import { StateMark } from "#ui/state-mark.tsx";
import { useDuration } from "#ui/time.tsx";
import classes from "./deployment.module.css";
import type { RolloutStep } from "./rollout.ts";

/** What of a deployment is selected: `build`, `step:3`, `drain`, or an instance's name after `instance:`. */
export type Selection = string;

/** The way of a commit to its address: stages and steps of the build, then the rollout. */
export function StepTree(props: {
  readonly build: Resource<"Build"> | undefined;
  readonly progress: BuildProgressState;
  readonly deployment: Resource<"Deployment"> | undefined;
  readonly steps: readonly RolloutStep[];
  readonly selected: Selection;
  readonly onSelect: (selection: Selection) => void;
}) {
  const { build, progress, deployment, steps, selected, onSelect } = props;
  const t = useTranslations("deployment");
  const duration = useDuration();
  const took = build && between(build.status.startedAt, build.status.finishedAt);
  return (
    <nav className={classes.tree} aria-label={t("steps")}>
      {build && (
        <section>
          <Item
            id="build"
            level={0}
            {...{ selected, onSelect }}
            mark={<StateMark of="build" state={build.status.phase} bare />}
            label={t("build")}
            note={took === undefined ? t(`phase.build.${build.status.phase}`) : duration(took)}
          />
          {!progress.planned && build.status.phase === "running" && <Skeleton height={10} width="60%" className={classes.treeSkeleton} />}
          {progress.stages.map((stage) => (
            <section key={stage.name} aria-label={t("stage", { stage: stage.name })}>
              <div className={classes.stage}>
                <StateMark of="step" state={stage.state} bare />
                {stage.name}
              </div>
              {stage.steps.map((step) => (
                <Item
                  key={step.step.index}
                  id={`step:${step.step.index}`}
                  level={2}
                  {...{ selected, onSelect }}
                  mark={<StateMark of="step" state={step.state} bare />}
                  label={step.step.label}
                  mono
                  note={stepNote(step, duration, t)}
                />
              ))}
            </section>
          ))}
        </section>
      )}
      {deployment && (
        <section>
          <div className={classes.stage} data-level="0">
            <StateMark of="deployment" state={deployment.status.phase} bare />
            {t("rollout", { release: deployment.spec.release })}
            <span className={classes.note}>{t(`phase.deployment.${deployment.status.phase}`)}</span>
          </div>
          {steps.every((step) => step.kind !== "instance") && (
            <div className={classes.nothing}>{t(deployment.status.phase === "starting" ? "noInstanceYet" : "noInstances")}</div>
          )}
          {steps.map((step) =>
            step.kind === "instance" ? (
              <Item
                key={step.id}
                id={`instance:${step.id}`}
                level={1}
                {...{ selected, onSelect }}
                mark={<StateMark of="instance" state={step.instance.status.phase} bare />}
                label={t("instanceOn", { instance: instanceLabel(step.instance), host: step.instance.spec.host })}
                note={instanceNote(step.instance, duration, t)}
              />
            ) : (
              <Item
                key="drain"
                id="drain"
                level={1}
                {...{ selected, onSelect }}
                mark={<StateMark of="rollout" state={step.state} bare />}
                label={t(`drain.${step.state}`, { release: step.release })}
                note={step.state === "running" ? t("drain.left", { count: step.left }) : ""}
              />
            ),
          )}
        </section>
      )}
    </nav>
  );
}

function Item(props: {
  readonly id: Selection;
  readonly level: number;
  readonly mark: ReactNode;
  readonly label: string;
  readonly note: string;
  readonly mono?: boolean;
  readonly selected: Selection;
  readonly onSelect: (selection: Selection) => void;
}) {
  return (
    <button
      type="button"
      className={classes.item}
      data-level={props.level}
      aria-current={props.selected === props.id ? "step" : undefined}
      onClick={() => props.onSelect(props.id)}
      title={props.label}
    >
      {props.mark}
      <span className={props.mono ? classes.monoLabel : classes.label}>{props.label}</span>
      <span className={classes.note}>{props.note}</span>
    </button>
  );
}

type Translate = ReturnType<typeof useTranslations<"deployment">>;

function stepNote(step: StepProgress, duration: (ms: number) => string, t: Translate): string {
  if (step.state === "cached")
    return step.savedMs === undefined || step.savedMs < 1_000 ? t("cached") : t("cachedSaved", { duration: duration(step.savedMs) });
  if (step.state === "running") return t("running");
  if (step.durationMs === undefined) return "";
  return step.state === "failed" ? t("failedAfter", { duration: duration(step.durationMs) }) : duration(step.durationMs);
}

function instanceNote(instance: Resource<"Instance">, duration: (ms: number) => string, t: Translate): string {
  const ready = between(instance.metadata.createdAt, instance.status.readyAt);
  if (instance.status.phase === "ready" && ready !== undefined) return t("readyAfter", { duration: duration(ready) });
  return t(`phase.instance.${instance.status.phase}`);
}
