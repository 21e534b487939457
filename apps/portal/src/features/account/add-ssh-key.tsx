"use client";

import { Button, Textarea, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./account.module.css";

/** Takes a public key; its comment is the proposed name. */
export function AddSshKey({ onAdded }: { readonly onAdded: () => Promise<void> }) {
  const t = useTranslations("account.keys");
  const [publicKey, setPublicKey] = useState("");
  const [typedName, setTypedName] = useState("");
  const comment = publicKey.trim().split(/\s+/).slice(2).join(" ");
  const name = typedName || comment || "";
  const isPrivate = publicKey.includes("PRIVATE KEY");
  const add = useAction(async () => {
    await request("POST", "/ssh-keys", { name: name || t("unnamed"), publicKey: publicKey.trim() });
    setPublicKey("");
    setTypedName("");
    await onAdded();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void add.run();
  };
  return (
    <form className={classes.form} onSubmit={submit}>
      <Textarea
        label={t("publicKey")}
        description={t("publicKeyHint")}
        className={classes.mono}
        placeholder={t("publicKeyPlaceholder")}
        autosize
        minRows={2}
        maxRows={6}
        spellCheck={false}
        error={isPrivate ? t("private") : undefined}
        value={publicKey}
        onChange={(event) => setPublicKey(event.currentTarget.value)}
      />
      <div className={classes.row}>
        <TextInput
          size="xs"
          label={t("name")}
          placeholder={comment || t("unnamed")}
          value={typedName}
          onChange={(event) => setTypedName(event.currentTarget.value)}
        />
        <Button type="submit" loading={add.busy} disabled={publicKey.trim() === "" || isPrivate}>
          {t("add")}
        </Button>
      </div>
      <ProblemNote problem={add.problem} />
    </form>
  );
}
