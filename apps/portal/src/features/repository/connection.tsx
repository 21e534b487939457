"use client";

import { Button, NativeSelect, Skeleton, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { Connection, CreatedConnection } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { CommandBlock } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./repository.module.css";

const WAYS = ["none", "token", "key"] as const;

/** The Git repository elsewhere that the app is deployed from, or the way to one. */
export function ConnectionPart({ at }: { readonly at: AppRef }) {
  const t = useTranslations("repository.connection");
  const { can } = useSession();
  const path = `${namespacePath(at.team, at.namespace)}/apps/${at.app}/connection`;
  const connection = useFetched<Connection>(path);
  const [created, setCreated] = useState<CreatedConnection>();
  const [anew, setAnew] = useState(false);
  const missing = connection.problem?.status === 404;
  const mayChange = can(at.team, "apps.update");
  const done = async (made: CreatedConnection) => {
    setCreated(made);
    setAnew(false);
    await connection.again();
  };
  const gone = async () => {
    setCreated(undefined);
    await connection.again();
  };
  return (
    <>
      <p className={classes.intro}>{t("text")}</p>
      <ProblemNote problem={missing ? undefined : connection.problem} />
      {!connection.value && !connection.problem && <Skeleton height={12} width="50%" m={16} />}
      {created && (
        <div className={classes.created} role="status">
          <p>{t("created")}</p>
          {created.publicKey && <CommandBlock label={t("publicKey")} lines={[created.publicKey]} />}
          <CommandBlock label={t("webhook")} lines={[created.webhook]} />
          <CommandBlock label={t("secret")} lines={[created.secret]} />
        </div>
      )}
      {connection.value && !missing && <Connected at={at} path={path} connection={connection.value} again={connection.again} gone={gone} />}
      {missing && !mayChange && <div className={table.none}>{t("none")}</div>}
      {mayChange && (missing || anew) && <Connect path={path} onDone={done} />}
      {mayChange && connection.value && !missing && !anew && (
        <div className={classes.tools}>
          <Button size="compact-xs" variant="default" onClick={() => setAnew(true)}>
            {t("another")}
          </Button>
        </div>
      )}
    </>
  );
}

function Connected(props: {
  readonly at: AppRef;
  readonly path: string;
  readonly connection: Connection;
  readonly again: () => Promise<void>;
  readonly gone: () => Promise<void>;
}) {
  const { at, path, connection } = props;
  const t = useTranslations("repository.connection");
  const { can } = useSession();
  const look = useAction(async () => {
    await request("POST", `${path}/look`);
    await props.again();
  });
  const disconnect = useAction(async () => {
    await request("DELETE", path);
    await props.gone();
  });
  return (
    <>
      <ProblemNote problem={look.problem ?? disconnect.problem} />
      <table className={table.table} aria-label={t("title")}>
        <tbody>
          <tr>
            <td>
              <span className={classes.name}>{connection.url}</span>
              <span className={classes.mark}>{connection.branch}</span>
              <span className={classes.mark}>{t(`way.${connection.auth}`)}</span>
              <span className={table.under}>
                {connection.lookedAt ? t.rich("looked", { ago: () => <Ago at={connection.lookedAt ?? ""} /> }) : t("unlooked")}{" "}
                {connection.commit && <span className={classes.commit}>{connection.commit.slice(0, 7)}</span>}
                {connection.build && <AppLink href={to.build(at.team, at.namespace, at.app, connection.build)}>{t("build")}</AppLink>}
              </span>
              {connection.failure && <pre className={classes.failure}>{connection.failure}</pre>}
              {connection.unreported && <pre className={classes.failure}>{connection.unreported}</pre>}
            </td>
            <td className={table.tight}>
              <div className={classes.buttons}>
                {can(at.team, "builds.create") && (
                  <Button size="compact-xs" variant="default" loading={look.busy} onClick={() => void look.run()}>
                    {t("look")}
                  </Button>
                )}
                {can(at.team, "apps.update") && (
                  <Button size="compact-xs" variant="default" loading={disconnect.busy} onClick={() => void disconnect.run()}>
                    {t("disconnect")}
                  </Button>
                )}
              </div>
            </td>
          </tr>
          <tr>
            <td colSpan={2}>
              {t("webhook")}
              <span className={`${table.under} ${table.mono}`}>{connection.webhook}</span>
            </td>
          </tr>
          {connection.publicKey && (
            <tr>
              <td colSpan={2}>
                {t("publicKey")}
                <span className={`${table.under} ${table.mono}`}>{connection.publicKey}</span>
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </>
  );
}

function Connect({ path, onDone }: { readonly path: string; readonly onDone: (made: CreatedConnection) => Promise<void> }) {
  const t = useTranslations("repository.connection");
  const [url, setUrl] = useState("");
  const [branch, setBranch] = useState("main");
  const [chosen, setChosen] = useState<(typeof WAYS)[number]>();
  const [token, setToken] = useState("");
  const isSsh = url.trim() !== "" && !/^https?:/.test(url.trim());
  const way = isSsh ? "key" : chosen === "key" ? "none" : (chosen ?? "token");
  const connect = useAction(async () => {
    const auth = way === "token" ? { kind: way, token: token.trim() } : { kind: way };
    await onDone(await request<CreatedConnection>("PUT", path, { url: url.trim(), branch, auth }));
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void connect.run();
  };
  return (
    <form className={classes.add} onSubmit={submit}>
      <TextInput
        size="xs"
        label={t("url")}
        className={classes.mono}
        placeholder={t("urlPlaceholder")}
        value={url}
        onChange={(event) => setUrl(event.currentTarget.value)}
      />
      <div className={classes.fields}>
        <TextInput size="xs" label={t("branch")} value={branch} onChange={(event) => setBranch(event.currentTarget.value)} />
        <NativeSelect
          size="xs"
          label={t("opened")}
          value={way}
          onChange={(event) => setChosen(WAYS.find((one) => one === event.currentTarget.value))}
          data={(isSsh ? (["key"] as const) : (["token", "none"] as const)).map((one) => ({ value: one, label: t(`way.${one}`) }))}
        />
        {way === "token" && (
          <TextInput
            size="xs"
            label={t("token")}
            type="password"
            autoComplete="off"
            value={token}
            onChange={(event) => setToken(event.currentTarget.value)}
          />
        )}
        <Button
          type="submit"
          loading={connect.busy}
          disabled={url.trim() === "" || branch === "" || (way === "token" && token.trim() === "")}
        >
          {t("connect")}
        </Button>
      </div>
      <ProblemNote problem={connect.problem} />
    </form>
  );
}
