"use client";

import { Button, NativeSelect, Skeleton, Textarea, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { DeployKey, Items } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./repository.module.css";

/** SSH keys of machines: each reaches this app's repository and nothing else. */
export function DeployKeys({ at }: { readonly at: AppRef }) {
  const t = useTranslations("repository.keys");
  const { can } = useSession();
  const path = `${namespacePath(at.team, at.namespace)}/apps/${at.app}/deploy-keys`;
  const keys = useFetched<Items<DeployKey>>(path);
  const remove = useAction(async (id: string) => {
    await request("DELETE", `${path}/${encodeURIComponent(id)}`);
    await keys.again();
  });
  const mayManage = can(at.team, "keys.manage");
  const items = keys.value?.items ?? [];
  return (
    <>
      <p className={classes.intro}>{t("text")}</p>
      <ProblemNote problem={keys.problem ?? remove.problem} />
      {!keys.value && !keys.problem && <Skeleton height={12} width="50%" m={16} />}
      {keys.value && items.length === 0 && !mayManage && <div className={table.none}>{t("none")}</div>}
      {items.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {items.map((key) => (
              <tr key={key.id}>
                <td>
                  {key.name}
                  <span className={classes.mark}>{t(`access.${key.access}`)}</span>
                  <span className={`${table.under} ${table.mono}`}>{key.fingerprint}</span>
                </td>
                <td className={`${table.tight} ${table.soft} ${table.wide}`}>{key.addedBy}</td>
                <td className={`${table.tight} ${table.soft} ${table.wide}`}>
                  <Ago at={key.createdAt} />
                </td>
                <td className={table.tight}>
                  {mayManage && (
                    <Button
                      size="compact-xs"
                      variant="default"
                      disabled={remove.busy}
                      aria-label={t("removeNamed", { name: key.name })}
                      onClick={() => void remove.run(key.id)}
                    >
                      {t("remove")}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {mayManage && <AddDeployKey path={path} onAdded={keys.again} />}
    </>
  );
}

function AddDeployKey({ path, onAdded }: { readonly path: string; readonly onAdded: () => Promise<void> }) {
  const t = useTranslations("repository.keys");
  const [publicKey, setPublicKey] = useState("");
  const [typedName, setTypedName] = useState("");
  const [access, setAccess] = useState<"read" | "write">("read");
  const comment = publicKey.trim().split(/\s+/).slice(2).join(" ");
  const name = typedName || comment || t("unnamed");
  const isPrivate = publicKey.includes("PRIVATE KEY");
  const add = useAction(async () => {
    await request("POST", path, { name, publicKey: publicKey.trim(), access });
    setPublicKey("");
    setTypedName("");
    setAccess("read");
    await onAdded();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void add.run();
  };
  return (
    <form className={classes.add} onSubmit={submit}>
      <Textarea
        size="xs"
        label={t("publicKey")}
        className={classes.mono}
        placeholder={t("publicKeyPlaceholder")}
        autosize
        minRows={1}
        maxRows={6}
        spellCheck={false}
        error={isPrivate ? t("private") : undefined}
        value={publicKey}
        onChange={(event) => setPublicKey(event.currentTarget.value)}
      />
      <div className={classes.fields}>
        <TextInput
          size="xs"
          aria-label={t("name")}
          placeholder={comment || t("name")}
          value={typedName}
          onChange={(event) => setTypedName(event.currentTarget.value)}
        />
        <NativeSelect
          size="xs"
          aria-label={t("may")}
          value={access}
          onChange={(event) => setAccess(event.currentTarget.value === "write" ? "write" : "read")}
          data={(["read", "write"] as const).map((one) => ({ value: one, label: t(`access.${one}`) }))}
        />
        <Button type="submit" variant="default" loading={add.busy} disabled={publicKey.trim() === "" || isPrivate}>
          {t("add")}
        </Button>
      </div>
      <ProblemNote problem={add.problem} />
    </form>
  );
}
