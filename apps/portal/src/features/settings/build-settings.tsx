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

/** Which directory of the repository is built, by which Dockerfile, up to which target. */
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
    <GitSettings
      key={`${source.directory}\n${source.dockerfile}\n${source.target}`}
      at={at}
      directory={source.directory ?? ""}
      dockerfile={source.dockerfile ?? ""}
      target={source.target ?? ""}
    />
  );
}

interface GitSettingsProps {
  readonly at: AppRef;
  readonly directory: string;
  readonly dockerfile: string;
  readonly target: string;
}

function GitSettings({ at, ...saved }: GitSettingsProps) {
  const t = useTranslations("settings.build");
  const { can } = useSession();
  const mayChange = can(at.team, "apps.update");
  const [directory, setDirectory] = useState(saved.directory);
  const [dockerfile, setDockerfile] = useState(saved.dockerfile);
  const [target, setTarget] = useState(saved.target);
  const save = useAction(() =>
    request("PATCH", `${namespacePath(at.team, at.namespace)}/apps/${at.app}`, {
      source: { kind: "git", ...(directory ? { directory } : {}), ...(dockerfile ? { dockerfile } : {}), ...(target ? { target } : {}) },
    }),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  const unchanged = directory === saved.directory && dockerfile === saved.dockerfile && target === saved.target;
  return (
    <form className={classes.form} onSubmit={submit}>
      <TextInput
        label={t("directory")}
        description={t("directoryHint")}
        className={classes.mono}
        placeholder="."
        disabled={!mayChange}
        value={directory}
        onChange={(event) => setDirectory(event.currentTarget.value)}
      />
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
        <Button type="submit" loading={save.busy} disabled={!mayChange || unchanged}>
          {t("save")}
        </Button>
      </div>
    </form>
  );
}
