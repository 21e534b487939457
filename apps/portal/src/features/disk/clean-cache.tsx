"use client";

import { Button, Modal } from "@mantine/core";
import { useTranslations } from "next-intl";
import { useState } from "react";
import { request } from "#api/request.ts";
import { plim } from "#format/plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./disk.module.css";

/** Removes a namespace's build cache from all hosts, once it was said again. */
export function CleanCache(props: {
  readonly team: string;
  readonly namespace: string;
  /** What goes, as people read it. */
  readonly amount: string;
  readonly onCleaned: () => void;
}) {
  const { team, namespace, amount, onCleaned } = props;
  const t = useTranslations("disk.clean");
  const [asking, setAsking] = useState(false);
  const clean = useAction(() => request("DELETE", `${namespacePath(team, namespace)}/build-cache`));
  const confirm = async () => {
    if (!(await clean.run())) return;
    setAsking(false);
    onCleaned();
  };
  return (
    <div className={classes.clean}>
      <p className={classes.text}>{t("text")}</p>
      <PlimLine line={plim.cleanCache(team, namespace)} />
      <Button variant="default" onClick={() => setAsking(true)}>
        {t("open")}
      </Button>
      <Modal opened={asking} onClose={() => setAsking(false)} title={t("open")}>
        <div className={classes.confirm}>
          <p className={classes.text}>{t("warning", { amount })}</p>
          <ProblemNote problem={clean.problem} />
          <div className={classes.buttons}>
            <Button variant="default" onClick={() => setAsking(false)}>
              {t("keep")}
            </Button>
            <Button onClick={() => void confirm()} loading={clean.busy} data-autofocus>
              {t("confirm")}
            </Button>
          </div>
        </div>
      </Modal>
    </div>
  );
}
