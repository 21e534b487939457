"use client";

import { Button, NumberInput } from "@mantine/core";
import type { ProcessSpec, Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { useState } from "react";
import { request } from "#api/request.ts";
import { useAmount } from "#features/quota/meters.tsx";
import { useSession } from "#session/session.tsx";
import { usePlim } from "#session/use-plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import { useWatchStore } from "#watch/hooks.tsx";
import classes from "./app.module.css";
import type { AppRef } from "./app-ref.ts";

const MOST = 100;

/** An app's processes with their size, and how many instances each has. */
export function ProcessTable({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const t = useTranslations("app");
  const processes = Object.entries(app.spec.processes).sort(([a], [b]) => Number(b === "web") - Number(a === "web") || a.localeCompare(b));
  if (processes.length === 0) return <div className={table.none}>{t("noProcesses")}</div>;
  return (
    <table className={table.table} aria-label={t("processes")}>
      <thead>
        <tr>
          <th scope="col">{t("process.name")}</th>
          <th scope="col">{t("process.ready")}</th>
          <th scope="col" className={table.wide}>
            {t("process.size")}
          </th>
          <th scope="col" className={table.wider}>
            {t("process.port")}
          </th>
          <th scope="col" className={table.wide}>
            {t("process.command")}
          </th>
          <th scope="col" className={classes.scaleCell}>
            {t("process.scale")}
          </th>
        </tr>
      </thead>
      {processes.map(([name, process]) => (
        <ProcessRow key={name} at={at} name={name} process={process} status={app.status.processes[name]} />
      ))}
    </table>
  );
}

function ProcessRow(props: {
  readonly at: AppRef;
  readonly name: string;
  readonly process: ProcessSpec;
  readonly status: { readonly ready: number; readonly desired: number } | undefined;
}) {
  const { at, name, process, status } = props;
  const t = useTranslations("app");
  const amount = useAmount();
  const plim = usePlim(at);
  const { can } = useSession();
  const store = useWatchStore();
  // What is typed and not yet sent; without, the field shows what is wanted now.
  const [typed, setTyped] = useState<number>();
  const wanted = typed ?? process.replicas;
  const scale = useAction(async (replicas: number) => {
    const scope = namespacePath(at.team, at.namespace);
    store.learn(scope, await request<Resource<"App">>("POST", `${scope}/apps/${at.app}/scale`, { process: name, replicas }));
    setTyped(undefined);
  });
  const mayScale = can(at.team, "apps.update");
  const changed = typed !== undefined && typed !== process.replicas;
  return (
    <tbody>
      <tr>
        <td className={table.tight}>{name}</td>
        <td className={table.tight}>{status ? t("process.readyOf", { ready: status.ready, desired: status.desired }) : "–"}</td>
        <td className={`${table.tight} ${table.soft} ${table.wide}`}>
          {t("process.each", { memory: amount("memoryBytes", process.memoryBytes), cpu: amount("cpuMillis", process.cpuMillis) })}
        </td>
        <td className={`${table.tight} ${table.soft} ${table.wider}`}>{process.port ?? "–"}</td>
        <td className={`${table.clip} ${table.mono} ${table.soft} ${table.wide}`}>
          {process.command?.join(" ") ?? t("process.ownCommand")}
        </td>
        <td className={classes.scaleCell}>
          <form
            className={classes.scale}
            onSubmit={(event) => {
              event.preventDefault();
              void scale.run(wanted);
            }}
          >
            <NumberInput
              className={classes.scaleInput}
              size="xs"
              aria-label={t("process.scaleLabel", { process: name })}
              min={0}
              max={MOST}
              allowDecimal={false}
              allowNegative={false}
              clampBehavior="strict"
              disabled={!mayScale}
              value={wanted}
              onChange={(value) => setTyped(typeof value === "number" ? value : undefined)}
            />
            <Button
              type="submit"
              variant={changed ? "filled" : "default"}
              disabled={!changed || !mayScale}
              loading={scale.busy}
              aria-label={t("process.scaleNamed", { process: name })}
            >
              {t("process.scaleButton")}
            </Button>
          </form>
        </td>
      </tr>
      {(changed || scale.problem) && (
        <tr>
          <td colSpan={6} style={{ borderTop: 0, paddingTop: 0 }}>
            <PlimLine line={plim.scale(at.app, name, wanted)} />
            <ProblemNote problem={scale.problem} />
          </td>
        </tr>
      )}
    </tbody>
  );
}
