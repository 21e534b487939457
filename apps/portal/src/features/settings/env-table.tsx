"use client";

import { Button, TextInput } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { usePlim } from "#session/use-plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import { useWatchStore } from "#watch/hooks.tsx";
import classes from "./settings.module.css";

export const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** The environment that is no secret: shown, changed, removed. Each change is a new release. */
export function EnvTable({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const t = useTranslations("settings.env");
  const { can } = useSession();
  const mayChange = can(at.team, "apps.update");
  const [editing, setEditing] = useState<string>();
  const store = useWatchStore();
  const change = useAction(async (env: Record<string, string | null>) => {
    const scope = namespacePath(at.team, at.namespace);
    store.learn(scope, await request<Resource<"App">>("PATCH", `${scope}/apps/${at.app}`, { env }));
  });
  const names = Object.keys(app.spec.env).sort();
  return (
    <>
      {names.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {names.map((name) =>
              editing === name ? (
                <tr key={name}>
                  <td className={classes.name}>{name}</td>
                  <td colSpan={2}>
                    <EditValue
                      at={at}
                      name={name}
                      value={app.spec.env[name] ?? ""}
                      busy={change.busy}
                      onCancel={() => setEditing(undefined)}
                      onSave={async (value) => {
                        if (await change.run({ [name]: value })) setEditing(undefined);
                      }}
                    />
                  </td>
                </tr>
              ) : (
                <tr key={name}>
                  <td
                    className={classes.name}
                    title={app.spec.appFile?.env.includes(name) ? t("fromFile", { file: app.spec.appFile.path }) : undefined}
                  >
                    {name}
                  </td>
                  <td className={classes.value}>{app.spec.env[name]}</td>
                  <td className={table.tight}>
                    {mayChange && (
                      <div className={classes.tools}>
                        <Button size="compact-xs" variant="default" onClick={() => setEditing(name)} aria-label={t("editNamed", { name })}>
                          {t("edit")}
                        </Button>
                        <Button
                          size="compact-xs"
                          variant="default"
                          disabled={change.busy}
                          onClick={() => void change.run({ [name]: null })}
                          aria-label={t("removeNamed", { name })}
                        >
                          {t("remove")}
                        </Button>
                      </div>
                    )}
                  </td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      )}
      {mayChange ? (
        <AddVariable at={at} busy={change.busy} onAdd={(name, value) => change.run({ [name]: value })} />
      ) : (
        names.length === 0 && <div className={table.none}>{t("none")}</div>
      )}
      {change.problem && (
        <div className={classes.intro}>
          <ProblemNote problem={change.problem} />
        </div>
      )}
    </>
  );
}

function EditValue(props: {
  readonly at: AppRef;
  readonly name: string;
  readonly value: string;
  readonly busy: boolean;
  readonly onSave: (value: string) => Promise<void>;
  readonly onCancel: () => void;
}) {
  const t = useTranslations("settings.env");
  const plim = usePlim(props.at);
  const [value, setValue] = useState(props.value);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void props.onSave(value);
  };
  return (
    <form onSubmit={submit} className={classes.confirm} style={{ gap: 8 }}>
      <TextInput
        className={classes.mono}
        size="xs"
        aria-label={t("valueOf", { name: props.name })}
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
        autoFocus
      />
      <div className={classes.row}>
        <PlimLine line={plim.env(props.at.app, props.name, value)} />
        <div className={classes.tools}>
          <Button size="compact-xs" variant="default" onClick={props.onCancel}>
            {t("cancel")}
          </Button>
          <Button size="compact-xs" type="submit" loading={props.busy}>
            {t("save")}
          </Button>
        </div>
      </div>
    </form>
  );
}

function AddVariable({
  at,
  busy,
  onAdd,
}: {
  readonly at: AppRef;
  readonly busy: boolean;
  readonly onAdd: (name: string, value: string) => Promise<boolean>;
}) {
  const t = useTranslations("settings.env");
  const plim = usePlim(at);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const valid = ENV_NAME.test(name);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!(await onAdd(name, value))) return;
    setName("");
    setValue("");
  };
  return (
    <form className={classes.add} onSubmit={(event) => void submit(event)}>
      <TextInput
        className={classes.mono}
        size="xs"
        placeholder={t("namePlaceholder")}
        aria-label={t("name")}
        value={name}
        error={name !== "" && !valid ? t("nameWrong") : undefined}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <TextInput
        className={classes.mono}
        size="xs"
        placeholder={t("valuePlaceholder")}
        aria-label={t("value")}
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
      />
      <Button type="submit" variant="default" disabled={!valid} loading={busy}>
        {t("add")}
      </Button>
      {valid && (
        <div className={classes.addWide}>
          <PlimLine line={plim.env(at.app, name, value)} />
        </div>
      )}
    </form>
  );
}
