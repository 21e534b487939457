"use client";

import { Button, Textarea, TextInput } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useEffect, useState } from "react";
import { request } from "#api/request.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { usePlim } from "#session/use-plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import { ENV_NAME } from "./env-table.tsx";
import classes from "./settings.module.css";

/** A revealed secret is covered again after this time: screens get shared. */
const REVEALED_MS = 30_000;

/** Sealed secrets: set and replaced, never shown but on an explicit, audited reveal by those who may. */
export function SecretTable({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const t = useTranslations("settings.secrets");
  const { can } = useSession();
  const names = Object.keys(app.spec.secrets).sort();
  const mayWrite = can(at.team, "secrets.write");
  return (
    <>
      {names.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {names.map((name) => (
              <SecretRow
                key={name}
                at={at}
                name={name}
                version={app.spec.secrets[name] ?? 0}
                mayWrite={mayWrite}
                mayReveal={can(at.team, "secrets.reveal")}
              />
            ))}
          </tbody>
        </table>
      )}
      {mayWrite ? <AddSecret at={at} /> : names.length === 0 && <div className={table.none}>{t("none")}</div>}
    </>
  );
}

function SecretRow(props: {
  readonly at: AppRef;
  readonly name: string;
  readonly version: number;
  readonly mayWrite: boolean;
  readonly mayReveal: boolean;
}) {
  const { at, name, version } = props;
  const t = useTranslations("settings.secrets");
  const path = secretPath(at, name);
  const [shown, setShown] = useState<string>();
  const [replacing, setReplacing] = useState(false);
  const reveal = useAction(async () => setShown((await request<{ value: string }>("POST", `${path}/reveal`)).value));
  const remove = useAction(() => request("DELETE", path));
  useEffect(() => {
    if (shown === undefined) return;
    const timer = setTimeout(() => setShown(undefined), REVEALED_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  const problem = reveal.problem ?? remove.problem;
  return (
    <>
      <tr>
        <td className={classes.name}>{name}</td>
        <td>
          {shown === undefined ? (
            <span className={classes.sealed} role="img" aria-label={t("sealed")}>
              ••••••••
            </span>
          ) : (
            <span className={classes.value}>{shown}</span>
          )}
          <span className={table.under}>{t("version", { version })}</span>
        </td>
        <td className={table.tight}>
          <div className={classes.tools}>
            {props.mayReveal && (
              <Button
                size="compact-xs"
                variant="default"
                loading={reveal.busy}
                onClick={() => (shown === undefined ? void reveal.run() : setShown(undefined))}
                aria-label={shown === undefined ? t("revealNamed", { name }) : t("hideNamed", { name })}
              >
                {shown === undefined ? t("reveal") : t("hide")}
              </Button>
            )}
            {props.mayWrite && (
              <>
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() => setReplacing(!replacing)}
                  aria-label={t("replaceNamed", { name })}
                >
                  {t("replace")}
                </Button>
                <Button
                  size="compact-xs"
                  variant="default"
                  loading={remove.busy}
                  onClick={() => void remove.run()}
                  aria-label={t("removeNamed", { name })}
                >
                  {t("remove")}
                </Button>
              </>
            )}
          </div>
        </td>
      </tr>
      {(replacing || problem) && (
        <tr>
          <td colSpan={3} style={{ borderTop: 0, paddingTop: 0 }}>
            <ProblemNote problem={problem} />
            {replacing && <SecretForm at={at} name={name} onDone={() => setReplacing(false)} />}
          </td>
        </tr>
      )}
    </>
  );
}

function SecretForm({ at, name, onDone }: { readonly at: AppRef; readonly name: string; readonly onDone: () => void }) {
  const t = useTranslations("settings.secrets");
  const plim = usePlim(at);
  const [value, setValue] = useState("");
  const save = useAction(() => request("PUT", secretPath(at, name), { value }));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await save.run()) onDone();
  };
  return (
    <form className={classes.confirm} style={{ gap: 8 }} onSubmit={(event) => void submit(event)}>
      <SecretInput label={t("valueOf", { name })} value={value} onChange={setValue} />
      <ProblemNote problem={save.problem} />
      <div className={classes.row}>
        <PlimLine line={plim.secret(at.app, name)} />
        <div className={classes.tools}>
          <Button size="compact-xs" variant="default" onClick={onDone}>
            {t("cancel")}
          </Button>
          <Button size="compact-xs" type="submit" loading={save.busy} disabled={value === ""}>
            {t("save")}
          </Button>
        </div>
      </div>
    </form>
  );
}

function AddSecret({ at }: { readonly at: AppRef }) {
  const t = useTranslations("settings.secrets");
  const plim = usePlim(at);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const valid = ENV_NAME.test(name);
  const add = useAction(() => request("PUT", secretPath(at, name), { value }));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!(await add.run())) return;
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
      <SecretInput label={t("value")} value={value} onChange={setValue} />
      <Button type="submit" variant="default" disabled={!valid || value === ""} loading={add.busy}>
        {t("add")}
      </Button>
      {(valid || add.problem) && (
        <div className={classes.addWide}>
          {valid && <PlimLine line={plim.secret(at.app, name)} />}
          <ProblemNote problem={add.problem} />
        </div>
      )}
    </form>
  );
}

/** Several lines: keys and certificates are secrets too. Not a password field, which browsers would offer to remember. */
function SecretInput({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  const t = useTranslations("settings.secrets");
  return (
    <Textarea
      className={classes.mono}
      size="xs"
      autosize
      minRows={1}
      maxRows={8}
      autoComplete="off"
      spellCheck={false}
      placeholder={t("valuePlaceholder")}
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

function secretPath(at: AppRef, name: string): string {
  return `${namespacePath(at.team, at.namespace)}/apps/${at.app}/secrets/${encodeURIComponent(name)}`;
}
