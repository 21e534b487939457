"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { useState } from "react";
import type { AppRef } from "#features/app/app-ref.ts";
import { ExitText } from "#features/app/exit-text.tsx";
import { instanceLabel } from "#features/app/instance-order.ts";
import { useAmount } from "#features/quota/meters.tsx";
import type { LogLine } from "#log/lines.ts";
import { LogView } from "#log/log-view.tsx";
import { useRuntimeLog } from "#log/use-runtime-log.ts";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { Note, ProblemNote } from "#ui/problem-note.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import { Ago } from "#ui/time.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./instance.module.css";

/** One running copy: where and how it is, and its log as it is written. */
export function InstancePage({ name, ...at }: AppRef & { readonly name: string }) {
  const t = useTranslations("instance");
  const plim = usePlim(at);
  const scope = namespacePath(at.team, at.namespace);
  const instances = useList(scope, "instances", at.app);
  const here = instances.items.find((one) => one.metadata.name === name);
  // Who reads its log goes on reading when it is stopped and removed.
  const [last, setLast] = useState(here);
  if (here && here !== last) setLast(here);
  const instance = here ?? last;
  const removed = instances.loaded && !here;
  const log = useRuntimeLog(instance ? `${scope}/instances/${name}` : undefined, removed || instance?.status.phase === "stopped");
  if (removed && !instance) {
    return (
      <Message
        title={t("missing", { name })}
        text={t("missingText")}
        link={{ href: to.app(at.team, at.namespace, at.app), label: t("toApp", { app: at.app }) }}
      />
    );
  }
  const tail = instance?.status.logTail ?? [];
  const lines =
    log.lines.length === 0 && log.stream.kind === "refused" ? tail.map((text): LogLine => ({ text, tone: "plain" })) : log.lines;
  return (
    <Page
      wide
      crumbsLabel={t("crumbs")}
      crumbs={[
        { href: to.namespace(at.team, at.namespace), label: `${at.team} / ${at.namespace}` },
        { href: to.app(at.team, at.namespace, at.app), label: at.app },
      ]}
      title={
        instance ? (
          <>
            {instanceLabel(instance)}
            <StateMark of="instance" state={instance.status.phase} />
          </>
        ) : (
          <Skeleton height={18} width={160} />
        )
      }
      facts={instance ? <Facts instance={instance} /> : <Skeleton height={12} width={420} my={4} />}
      actions={<PlimLine line={plim.logs(at.app)} />}
    >
      {removed && <Note tone="warn">{t("removed")}</Note>}
      <ProblemNote problem={instances.loaded ? undefined : instances.problem} />
      {instance?.status.message && instance.status.phase !== "ready" && <p className={classes.message}>{instance.status.message}</p>}
      <div className={classes.log}>
        <LogView label={t("log")} head={t("log")} lines={lines} dropped={log.dropped} stream={log.stream} empty={t("noLines")} />
      </div>
    </Page>
  );
}

function Facts({ instance }: { readonly instance: Resource<"Instance"> }) {
  const t = useTranslations("instance");
  const amount = useAmount();
  const { spec, status } = instance;
  return (
    <>
      <Fact label={t("release")}>{t("releaseName", { release: spec.release })}</Fact>
      <Fact label={t("host")}>{spec.host}</Fact>
      {status.address && (
        <Fact label={t("address")}>
          <span className={classes.mono}>{spec.port === undefined ? status.address : `${status.address}:${spec.port}`}</span>
        </Fact>
      )}
      <Fact label={t("size")}>
        {t("sizeText", { memory: amount("memoryBytes", spec.memoryBytes), cpu: amount("cpuMillis", spec.cpuMillis) })}
      </Fact>
      {status.startedAt && (
        <Fact label={t("started")}>
          <Ago at={status.startedAt} />
        </Fact>
      )}
      <Fact label={t("restarts")}>{status.restarts}</Fact>
      {status.lastExit && (
        <Fact label={t("lastExit")}>
          <ExitText exit={status.lastExit} />
        </Fact>
      )}
      <Fact label={t("name")}>
        <span className={classes.mono}>{instance.metadata.name}</span>
      </Fact>
    </>
  );
}
