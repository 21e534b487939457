"use client";

import { Button, TextInput } from "@mantine/core";
import type { BuildLimits, Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { BUILD_LIMITS, type BuildLimitName, buildLimit } from "#format/build-limits.ts";
import { plim } from "#format/plim.ts";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./quota.module.css";

interface BuildLimitsProps {
  readonly team: string;
  readonly namespace: Resource<"Namespace">;
  /** Who may not change them sees them. */
  readonly mayChange: boolean;
}

/** What one build of a namespace may take. */
export function BuildLimitsPanel({ team, namespace, mayChange }: BuildLimitsProps) {
  const t = useTranslations("limits");
  const name = namespace.metadata.name;
  const now = namespace.spec.build;
  const [typed, setTyped] = useState<Partial<Record<BuildLimitName, string>>>({});
  const change: Partial<Record<BuildLimitName, number>> = {};
  let wrong = false;
  for (const { name: limit, parse } of BUILD_LIMITS) {
    const text = typed[limit];
    if (text === undefined) continue;
    const value = parse(text);
    if (value === undefined || value < 1) wrong = true;
    else if (value !== buildLimit(now, limit)) change[limit] = value;
  }
  const changed = Object.keys(change).length > 0;
  const save = useAction(async () => {
    const build: BuildLimits = { ...now, ...change };
    await request("PATCH", namespacePath(team, name), { build });
    setTyped({});
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  return (
    <Panel title={t("title", { namespace: name })} anchor="limits">
      <form className={classes.editor} onSubmit={submit}>
        <div className={classes.limits}>
          {BUILD_LIMITS.map(({ name: limit, text, parse }) => {
            const shown = typed[limit] ?? text(buildLimit(now, limit));
            const value = parse(shown);
            return (
              <TextInput
                key={limit}
                size="xs"
                label={t(`name.${limit}`)}
                aria-label={t("oneBuild", { limit: t(`name.${limit}`) })}
                description={t(`about.${limit}`)}
                readOnly={!mayChange}
                error={value === undefined || value < 1 ? t(`wrong.${limit}`) : undefined}
                value={shown}
                onChange={(event) => setTyped({ ...typed, [limit]: event.currentTarget.value })}
              />
            );
          })}
        </div>
        <ProblemNote problem={save.problem} />
        {mayChange && (
          <div className={classes.actions}>
            <PlimLine line={plim.limits(team, name, changed ? change : { memoryBytes: now.memoryBytes })} />
            <div className={classes.buttons}>
              <Button variant="default" disabled={Object.keys(typed).length === 0} onClick={() => setTyped({})}>
                {t("reset")}
              </Button>
              <Button type="submit" loading={save.busy} disabled={!changed || wrong}>
                {t("save")}
              </Button>
            </div>
          </div>
        )}
      </form>
    </Panel>
  );
}
