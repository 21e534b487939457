"use client";

import { Button, Group, Modal, NativeSelect, Skeleton, Stack } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { useMemo, useState } from "react";
import { request } from "#api/request.ts";
import { sourceLabel } from "#features/deployment/timeline.ts";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./app.module.css";
import type { AppRef } from "./app-ref.ts";

interface RollbackProps {
  readonly at: AppRef;
  readonly app: Resource<"App">;
  /** The release that is proposed; without, the newest below the live one. */
  readonly release?: number;
  readonly onClose: () => void;
}

/** Asks which earlier release is to serve again, says what that means, and does it. */
export function RollbackDialog({ at, app, release, onClose }: RollbackProps) {
  const t = useTranslations("rollback");
  const router = useRouter();
  const plim = usePlim(at);
  const scope = namespacePath(at.team, at.namespace);
  const releases = useList(scope, "releases", at.app);
  const live = app.status.release;
  const choices = useMemo(
    () => releases.items.filter((one) => one.spec.number !== live).sort((a, b) => b.spec.number - a.spec.number),
    [releases.items, live],
  );
  const [picked, setPicked] = useState<number | undefined>(release);
  const target = picked ?? (choices.find((one) => live === undefined || one.spec.number < live) ?? choices[0])?.spec.number;
  const chosen = choices.find((one) => one.spec.number === target);
  const rollback = useAction(async () => {
    const deployment = await request<Resource<"Deployment">>("POST", `${scope}/apps/${at.app}/rollback`, { release: target });
    onClose();
    router.push(to.deployment(at.team, at.namespace, at.app, deployment.metadata.name));
  });
  const describe = (one: Resource<"Release">): string => {
    const source = sourceLabel(one.spec.source);
    return source
      ? t("choice", { release: one.spec.number, commit: source.short, subject: source.subject })
      : t("choiceBare", { release: one.spec.number });
  };
  return (
    <Modal opened onClose={onClose} title={t("title", { app: at.app })}>
      <Stack gap="md">
        {!releases.loaded ? (
          <Skeleton height={58} />
        ) : choices.length === 0 ? (
          <p>{t("none")}</p>
        ) : (
          <NativeSelect
            label={t("to")}
            value={String(target)}
            onChange={(event) => setPicked(Number(event.currentTarget.value))}
            data={choices.map((one) => ({ value: String(one.spec.number), label: describe(one) }))}
          />
        )}
        {chosen && live !== undefined && <p className={classes.changed}>{t("meaning", { live, release: chosen.spec.number })}</p>}
        <ProblemNote problem={rollback.problem} />
        <Group justify="space-between">
          <PlimLine line={plim.rollback(at.app, target)} />
          <Group gap="xs">
            <Button variant="default" onClick={onClose}>
              {t("cancel")}
            </Button>
            <Button onClick={() => void rollback.run()} loading={rollback.busy} disabled={target === undefined}>
              {target === undefined ? t("confirmBare") : t("confirm", { release: target })}
            </Button>
          </Group>
        </Group>
      </Stack>
    </Modal>
  );
}
