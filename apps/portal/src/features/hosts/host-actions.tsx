"use client";

import { Button, Checkbox, Modal } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type ReactNode, useState } from "react";
import { request } from "#api/request.ts";
import type { HostLoad } from "#api/types.ts";
import { plim } from "#format/plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { type Action, useAction } from "#ui/use-action.ts";
import { PLATFORM_PATH } from "#watch/collections.ts";
import { useWatchStore } from "#watch/hooks.tsx";
import classes from "./hosts.module.css";

interface HostActionsProps {
  readonly host: Resource<"Host">;
  readonly load: HostLoad | undefined;
  readonly onChanged: () => Promise<void>;
  readonly onRemoved: () => void;
}

/** Closes, opens and removes a host, each once it was said again; what the API refuses it says itself. */
export function HostActions({ host, load, onChanged, onRemoved }: HostActionsProps) {
  const t = useTranslations("hosts.act");
  const store = useWatchStore();
  const { name } = host.metadata;
  const path = `/hosts/${encodeURIComponent(name)}`;
  const { schedulable } = host.spec;
  const [asking, setAsking] = useState<"close" | "open" | "remove">();
  const [force, setForce] = useState(false);
  const set = useAction(async (open: boolean) => {
    store.learn(PLATFORM_PATH, await request<Resource<"Host">>("PATCH", path, { schedulable: open }));
    await onChanged();
  });
  const remove = useAction(() => request("DELETE", `${path}${force ? "?force=true" : ""}`));
  const ask = (what: "close" | "open" | "remove") => {
    set.clear();
    remove.clear();
    setForce(false);
    setAsking(what);
  };
  const stop = () => setAsking(undefined);
  const confirmSet = async (open: boolean) => {
    if (await set.run(open)) stop();
  };
  const confirmRemove = async () => {
    if (!(await remove.run())) return onChanged();
    stop();
    onRemoved();
  };
  // A host with nothing on it is refused for its images alone: that, and nothing else, force is for.
  const forcible = force || (remove.problem?.code === "conflict" && load?.instances === 0 && load.builds === 0);
  return (
    <>
      <Button variant="default" onClick={() => ask(schedulable ? "close" : "open")}>
        {t(schedulable ? "close.do" : "open.do")}
      </Button>
      <Button variant="default" onClick={() => ask("remove")}>
        {t("remove.do")}
      </Button>
      {(asking === "close" || asking === "open") && (
        <Ask
          title={t(`${asking}.title`, { name })}
          text={t(`${asking}.text`)}
          line={asking === "close" ? plim.closeHost(name) : plim.openHost(name)}
          action={set}
          confirm={t(`${asking}.do`)}
          onConfirm={() => void confirmSet(asking === "open")}
          onClose={stop}
        />
      )}
      {asking === "remove" && (
        <Ask
          danger
          title={t("remove.title", { name })}
          text={t("remove.text")}
          line={plim.removeHost(name, force)}
          action={remove}
          confirm={t("remove.do")}
          onConfirm={() => void confirmRemove()}
          onClose={stop}
        >
          {forcible && (
            <Checkbox size="xs" label={t("remove.force")} checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />
          )}
        </Ask>
      )}
    </>
  );
}

function Ask(props: {
  readonly title: string;
  readonly text: string;
  readonly line: string;
  readonly action: Pick<Action<never>, "busy" | "problem">;
  readonly confirm: string;
  readonly danger?: boolean;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children?: ReactNode;
}) {
  const t = useTranslations("hosts.act");
  return (
    <Modal opened onClose={props.onClose} title={props.title}>
      <div className={classes.confirm}>
        <p className={classes.text}>{props.text}</p>
        <PlimLine line={props.line} />
        <ProblemNote problem={props.action.problem} />
        {props.children}
        <div className={classes.buttons}>
          <Button variant="default" onClick={props.onClose} data-autofocus>
            {t("keep")}
          </Button>
          <Button onClick={props.onConfirm} loading={props.action.busy} {...(props.danger ? { color: "red" } : {})}>
            {props.confirm}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
