"use client";

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { usePlim } from "#session/use-plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./registries.module.css";
import { type NamespaceRef, registryPath } from "./registry-path.ts";

/** Sets what the namespace shows a registry; what it showed before is replaced. */
export function CredentialForm({ at, onChanged }: { readonly at: NamespaceRef; readonly onChanged: () => Promise<void> }) {
  const t = useTranslations("registries.login");
  const plim = usePlim(at);
  const [registry, setRegistry] = useState("");
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const save = useAction(async () => {
    await request("PUT", registryPath(at, registry, "credential"), { username, password });
    setRegistry("");
    setUsername("");
    setPassword("");
    await onChanged();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void save.run();
  };
  const named = registry.trim() !== "" && username !== "";
  return (
    <form className={classes.form} onSubmit={submit}>
      <p className={classes.text}>{t("text")}</p>
      <div className={classes.fields}>
        <TextInput
          size="xs"
          className={classes.mono}
          label={t("registry")}
          placeholder="ghcr.io"
          value={registry}
          onChange={(event) => setRegistry(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <TextInput
          size="xs"
          className={classes.mono}
          label={t("user")}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <PasswordInput
          size="xs"
          label={t("password")}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="new-password"
        />
        <Button type="submit" loading={save.busy} disabled={!named || password === ""}>
          {t("save")}
        </Button>
      </div>
      {named && <PlimLine line={plim.registry(registry.trim(), username)} />}
      <ProblemNote problem={save.problem} />
    </form>
  );
}
