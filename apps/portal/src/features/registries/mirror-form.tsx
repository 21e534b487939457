"use client";

import { Button, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { usePlim } from "#session/use-plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./registries.module.css";
import { type NamespaceRef, registryPath } from "./registry-path.ts";

/** Sets the mirrors of a registry, in the order in which they are asked. */
export function MirrorForm({ at, onChanged }: { readonly at: NamespaceRef; readonly onChanged: () => Promise<void> }) {
  const t = useTranslations("registries.mirror");
  const plim = usePlim(at);
  const [registry, setRegistry] = useState("");
  const [text, setText] = useState("");
  const mirrors = text.split(/[\s,]+/).filter((one) => one !== "");
  const save = useAction(async () => {
    await request("PUT", registryPath(at, registry, "mirrors"), { mirrors });
    setRegistry("");
    setText("");
    await onChanged();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  const named = registry.trim() !== "" && mirrors.length > 0;
  return (
    <form className={classes.form} onSubmit={submit}>
      <p className={classes.text}>{t("text")}</p>
      <div className={classes.fields}>
        <TextInput
          size="xs"
          className={classes.mono}
          label={t("registry")}
          placeholder="docker.io"
          value={registry}
          onChange={(event) => setRegistry(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <TextInput
          size="xs"
          className={`${classes.mono} ${classes.wideField}`}
          label={t("mirrors")}
          placeholder="registry.example:5000"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <Button type="submit" loading={save.busy} disabled={!named}>
          {t("save")}
        </Button>
      </div>
      {named && <PlimLine line={plim.mirrors(registry.trim(), mirrors)} />}
      <ProblemNote problem={save.problem} />
    </form>
  );
}
