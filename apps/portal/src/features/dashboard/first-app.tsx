"use client";

import { TextInput } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useTranslations } from "next-intl";
import { type ReactNode, useEffect, useState } from "react";
import type { Items, SshKey } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { AddSshKey } from "#features/account/add-ssh-key.tsx";
import { Panel } from "#ui/panel.tsx";
import { CommandBlock } from "#ui/plim-line.tsx";
import classes from "./dashboard.module.css";

/** Where `git push` goes: the platform's own host, on the port that its SSH server listens on. */
const SSH_PORT = 2222;
const NAME = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/** What to do in a namespace that has no app: the exact commands, with nothing left to fill in but the app's name. */
export function FirstApp({ team, namespace }: { readonly team: string; readonly namespace: string }) {
  const t = useTranslations("first");
  const keys = useFetched<Items<SshKey>>("/ssh-keys");
  const [name, setName] = useState("my-app");
  const [host, setHost] = useState("localhost");
  useEffect(() => setHost(location.hostname), []);
  const hasKey = (keys.value?.items.length ?? 0) > 0;
  const valid = NAME.test(name);
  const app = valid ? name : "my-app";
  return (
    <Panel title={t("title")}>
      <div className={classes.first}>
        <p className={classes.firstText}>{t("text")}</p>
        <Step number={1} title={hasKey ? t("keyDone", { count: keys.value?.items.length ?? 0 }) : t("key")} done={hasKey}>
          {keys.value && !hasKey && <AddSshKey onAdded={keys.again} />}
        </Step>
        <Step number={2} title={t("name")}>
          <TextInput
            aria-label={t("nameLabel")}
            value={name}
            maw={280}
            error={valid ? undefined : t("nameWrong")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        </Step>
        <Step number={3} title={t("push")}>
          {t("pushText")}
          <CommandBlock
            label={t("commands")}
            lines={[`git remote add plimsoll ssh://git@${host}:${SSH_PORT}/${team}/${namespace}/${app}.git`, "git push plimsoll HEAD:main"]}
          />
        </Step>
        <div className={classes.waiting} role="status">
          {t("waiting")}
        </div>
      </div>
    </Panel>
  );
}

function Step(props: { readonly number: number; readonly title: string; readonly done?: boolean; readonly children?: ReactNode }) {
  return (
    <div className={classes.step}>
      <span className={classes.stepNumber} data-done={props.done || undefined}>
        {props.done ? <IconCheck size={13} /> : props.number}
      </span>
      <h3 className={classes.stepTitle}>{props.title}</h3>
      <div className={classes.stepBody}>{props.children}</div>
    </div>
  );
}
