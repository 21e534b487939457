"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { HostLoadDetail } from "#api/types.ts";
import { Panel } from "#ui/panel.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";

/** Words for what the audit calls otherwise; what is not among them is shown as the audit has it. */
const WORDS = { "hosts.enroll": "enroll", "hosts.close": "close", "hosts.open": "open" } as const;

/** What was done to a host, latest first. */
export function HostHistory({ history }: { readonly history: HostLoadDetail["history"] | undefined }) {
  const t = useTranslations("hosts.history");
  return (
    <Panel title={t("title")} flush>
      {!history && <Skeleton height={12} width="50%" m={16} />}
      {history?.length === 0 && <div className={table.none}>{t("none")}</div>}
      {history && history.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {history.map(({ at, action, by }) => {
              const word = (WORDS as Record<string, (typeof WORDS)[keyof typeof WORDS] | undefined>)[action];
              return (
                <tr key={`${at} ${action}`}>
                  <td className={`${table.tight} ${table.soft}`}>
                    <Ago at={at} />
                  </td>
                  <td>{word === undefined ? action : t(word)}</td>
                  <td className={table.soft}>{by ?? t("itself")}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
