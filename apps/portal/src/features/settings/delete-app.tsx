"use client";

import { Button, Modal, TextInput } from "@mantine/core";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { to } from "#shell/links.ts";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./settings.module.css";

/** The end of an app, after its name was typed. */
export function DeleteApp({ at }: { readonly at: AppRef }) {
  const t = useTranslations("settings.delete");
  const router = useRouter();
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const remove = useAction(() => request("DELETE", `${namespacePath(at.team, at.namespace)}/apps/${at.app}`));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await remove.run()) router.push(to.namespace(at.team, at.namespace));
  };
  return (
    <div className={classes.row}>
      <p className={classes.text}>{t("text")}</p>
      <Button color="red" variant="outline" onClick={() => setAsking(true)}>
        {t("open", { app: at.app })}
      </Button>
      <Modal opened={asking} onClose={() => setAsking(false)} title={t("open", { app: at.app })}>
        <form className={classes.confirm} onSubmit={(event) => void submit(event)}>
          <p className={classes.text}>{t("warning")}</p>
          <TextInput
            label={t("type", { app: at.app })}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            data-autofocus
            autoComplete="off"
          />
          <ProblemNote problem={remove.problem} />
          <div className={classes.row}>
            <Button type="submit" color="red" disabled={typed !== at.app} loading={remove.busy}>
              {t("confirm")}
            </Button>
          </div>
        </form>
      </Modal>
    </div>
  );
}
