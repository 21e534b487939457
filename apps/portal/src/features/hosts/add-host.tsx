"use client";

import { Button, Checkbox, TextInput } from "@mantine/core";
import type { Spec } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { HostToken } from "#api/types.ts";
import { plim } from "#format/plim.ts";
import { CommandBlock, PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./hosts.module.css";

const ROLES = ["build", "run", "ingress"] as const satisfies Spec<"Host">["roles"];
type Role = (typeof ROLES)[number];

/** Makes an enrolment token and shows, once, the command that uses it. */
export function AddHost() {
  const t = useTranslations("hosts.add");
  const [roles, setRoles] = useState<readonly Role[]>(["build", "run"]);
  const [typedName, setTypedName] = useState("");
  const [command, setCommand] = useState<string>();
  const name = typedName.trim();
  const make = useAction(async () => {
    setCommand(undefined);
    const made = await request<HostToken>("POST", "/host-tokens", { roles, ...(name === "" ? {} : { name }) });
    setCommand(made.command);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void make.run();
  };
  return (
    <form className={classes.form} onSubmit={submit}>
      <p className={classes.text}>{t("text")}</p>
      <fieldset className={classes.roles}>
        <legend>{t("roles")}</legend>
        {ROLES.map((role) => (
          <Checkbox
            key={role}
            size="xs"
            label={t(`role.${role}`)}
            checked={roles.includes(role)}
            onChange={(event) => {
              const { checked } = event.currentTarget;
              setRoles(ROLES.filter((one) => (one === role ? checked : roles.includes(one))));
            }}
          />
        ))}
      </fieldset>
      <div className={classes.fields}>
        <TextInput
          size="xs"
          label={t("name")}
          description={t("nameHint")}
          value={typedName}
          onChange={(event) => setTypedName(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <Button type="submit" loading={make.busy} disabled={roles.length === 0}>
          {t("make")}
        </Button>
      </div>
      {roles.length > 0 && <PlimLine line={plim.addHost(roles, name)} />}
      <ProblemNote problem={make.problem} />
      {command !== undefined && (
        <div className={classes.made} role="status">
          <p className={classes.text}>{t("made")}</p>
          <CommandBlock label={t("command")} lines={[command]} />
        </div>
      )}
    </form>
  );
}
