"use client";

import { Button, Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import { request } from "#api/request.ts";
import type { Items, SshKey } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./account.module.css";
import { AddSshKey } from "./add-ssh-key.tsx";

/** The public keys that may push in one's name. */
export function SshKeys() {
  const t = useTranslations("account.keys");
  const keys = useFetched<Items<SshKey>>("/ssh-keys");
  const remove = useAction(async (id: string) => {
    await request("DELETE", `/ssh-keys/${encodeURIComponent(id)}`);
    await keys.again();
  });
  return (
    <>
      <p className={classes.intro}>{t("text")}</p>
      <ProblemNote problem={keys.problem ?? remove.problem} />
      {!keys.value && !keys.problem && <Skeleton height={12} width="50%" m={16} />}
      {keys.value && keys.value.items.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {keys.value.items.map((key) => (
              <tr key={key.id}>
                <td>
                  {key.name}
                  <span className={`${table.under} ${table.mono}`}>{key.fingerprint}</span>
                </td>
                <td className={`${table.tight} ${table.soft} ${table.wide}`}>
                  {t.rich("added", { ago: () => <Ago at={key.createdAt} /> })}
                </td>
                <td className={table.tight}>
                  <Button
                    size="compact-xs"
                    variant="default"
                    disabled={remove.busy}
                    aria-label={t("removeNamed", { name: key.name })}
                    onClick={() => void remove.run(key.id)}
                  >
                    {t("remove")}
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className={classes.add}>
        <AddSshKey onAdded={keys.again} />
      </div>
    </>
  );
}
