"use client";

import { Button, TextInput } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./settings.module.css";

/** Which Dockerfile and which target of it are built. */
export function BuildSettings({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const t = useTranslations("settings.build");
  const { source } = app.spec;
  if (source.kind === "image") {
    return (
      <p className={classes.text}>
        {t("fromImage")} <code>{source.reference}</code>
      </p>
    );
  }
  return (
    <GitSettings key={`${source.dockerfile}\n${source.target}`} at={at} dockerfile={source.dockerfile ?? ""} target={source.target ?? ""} />
  );
}

function GitSettings({ at, ...saved }: { readonly at: AppRef; readonly dockerfile: string; readonly target: string }) {
  const t = useTranslations("settings.build");
  const { can } = useSession();
  const mayChange = can(at.team, "apps.update");
  const [dockerfile, setDockerfile] = useState(saved.dockerfile);
  const [target, setTarget] = useState(saved.target);
  const save = useAction(() =>
    request("PATCH", `${namespacePath(at.team, at.namespace)}/apps/${at.app}`, {
      source: { kind: "git", ...(dockerfile ? { dockerfile } : {}), ...(target ? { target } : {}) },
    }),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  return (
    <form className={classes.form} onSubmit={submit}>
      <TextInput
        label={t("dockerfile")}
        className={classes.mono}
        placeholder={t("dockerfilePlaceholder")}
        disabled={!mayChange}
        value={dockerfile}
        onChange={(event) => setDockerfile(event.currentTarget.value)}
      />
      <TextInput
        label={t("target")}
        description={t("targetHint")}
        className={classes.mono}
        disabled={!mayChange}
        value={target}
        onChange={(event) => setTarget(event.currentTarget.value)}
      />
      <ProblemNote problem={save.problem} />
      <div>
        <Button type="submit" loading={save.busy} disabled={!mayChange || (dockerfile === saved.dockerfile && target === saved.target)}>
          {t("save")}
        </Button>
      </div>
    </form>
  );
}
