"use client";

import { Button, Slider, TextInput } from "@mantine/core";
import type { QuotaDimension, QuotaVector, Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useEffect, useState } from "react";
import type { ShownProblem } from "#api/problem.ts";
import { problemFrom, request } from "#api/request.ts";
import { plim, QUOTA_WORDS } from "#format/plim.ts";
import { DIMENSIONS, parseQuantity, quantityAsTyped } from "#format/quantity.ts";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import { useAmount } from "./meters.tsx";
import classes from "./quota.module.css";
import { sum } from "./team-bars.tsx";

const STEPS: QuotaVector = { cpuMillis: 250, memoryBytes: 128 * 1024 ** 2, instances: 1, builds: 1 };
const PREVIEW_MS = 350;

interface EditorProps {
  readonly team: Resource<"Team">;
  readonly namespaces: readonly Resource<"Namespace">[];
  readonly namespace: Resource<"Namespace">;
  /** Amounts proposed by the address, as in `?namespace=store&memory=3GiB`. */
  readonly asked: Readonly<Record<string, string>>;
}

/** Gives a namespace more or less of its team's quota: by hand or by a slider, tried out on the server before it is saved. */
export function QuotaEditor({ team, namespaces, namespace, asked }: EditorProps) {
  const t = useTranslations("quota");
  const amount = useAmount();
  const name = namespace.metadata.name;
  const now = namespace.spec.quota;
  const [typed, setTyped] = useState<Partial<Record<QuotaDimension, string>>>(() =>
    Object.fromEntries(DIMENSIONS.flatMap((one) => (asked[QUOTA_WORDS[one]] === undefined ? [] : [[one, asked[QUOTA_WORDS[one]]]]))),
  );
  const change: Partial<QuotaVector> = {};
  let wrong = false;
  for (const dimension of DIMENSIONS) {
    const text = typed[dimension];
    if (text === undefined) continue;
    const value = parseQuantity(dimension, text);
    if (value === undefined) wrong = true;
    else if (value !== now[dimension]) change[dimension] = value;
  }
  const changed = Object.keys(change).length > 0;
  const path = `${namespacePath(team.metadata.name, name)}/quota`;
  const refused = usePreview(path, changed && !wrong ? JSON.stringify({ quota: change }) : undefined);
  const save = useAction(async () => {
    await request("PATCH", path, { quota: change });
    setTyped({});
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  return (
    <Panel title={t("edit", { namespace: name })} anchor="edit">
      <form className={classes.editor} onSubmit={submit}>
        {DIMENSIONS.map((dimension) => {
          const most = Math.max(now[dimension], team.spec.quota[dimension] - sum(namespaces, dimension) + now[dimension]);
          const text = typed[dimension] ?? quantityAsTyped(dimension, now[dimension]);
          const value = parseQuantity(dimension, text);
          const used = namespace.status.used[dimension];
          return (
            <div key={dimension} className={classes.row}>
              <TextInput
                size="xs"
                label={t(`dimension.${dimension}`)}
                description={t("upTo", { amount: amount(dimension, most) })}
                error={value === undefined ? t(`wrong.${dimension}`) : undefined}
                value={text}
                onChange={(event) => setTyped({ ...typed, [dimension]: event.currentTarget.value })}
              />
              <div className={classes.slide}>
                <Slider
                  aria-label={t("slider", { dimension: t(`dimension.${dimension}`) })}
                  min={0}
                  max={Math.max(most, 1)}
                  step={STEPS[dimension]}
                  value={Math.min(value ?? now[dimension], Math.max(most, 1))}
                  label={(at) => amount(dimension, at)}
                  marks={used > 0 ? [{ value: Math.min(used, Math.max(most, 1)) }] : []}
                  onChange={(at) => setTyped({ ...typed, [dimension]: quantityAsTyped(dimension, at) })}
                />
                <span className={classes.effect}>
                  {value !== undefined && value < used
                    ? t("belowUse", { used: amount(dimension, used) })
                    : value !== undefined && value !== now[dimension]
                      ? t("effect", { before: amount(dimension, now[dimension]), after: amount(dimension, value) })
                      : t("inUse", { used: amount(dimension, used) })}
                </span>
              </div>
            </div>
          );
        })}
        <ProblemNote problem={save.problem ?? refused} />
        <div className={classes.actions}>
          <PlimLine line={plim.quota(team.metadata.name, name, changed ? change : now)} />
          <div className={classes.buttons}>
            <Button variant="default" disabled={Object.keys(typed).length === 0} onClick={() => setTyped({})}>
              {t("reset")}
            </Button>
            <Button type="submit" loading={save.busy} disabled={!changed || wrong || refused !== undefined}>
              {t("save")}
            </Button>
          </div>
        </div>
      </form>
    </Panel>
  );
}

/** Whether the server would take a change: asked a moment after the last key. `body` is the change as JSON, undefined: none. */
function usePreview(path: string, body: string | undefined): ShownProblem | undefined {
  const [refused, setRefused] = useState<ShownProblem>();
  useEffect(() => {
    setRefused(undefined);
    if (body === undefined) return;
    let current = true;
    const timer = setTimeout(async () => {
      try {
        await request("PATCH", `${path}?dryRun=true`, JSON.parse(body));
      } catch (error) {
        if (current) setRefused(problemFrom(error));
      }
    }, PREVIEW_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [path, body]);
  return refused;
}
