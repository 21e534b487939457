"use client";

import { Button } from "@mantine/core";
import { useTranslations } from "next-intl";
import { request } from "#api/request.ts";
import type { RegistryEntry } from "#api/types.ts";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./registries.module.css";
import { type NamespaceRef, registryPath } from "./registry-path.ts";

/** One registry; its password is not among what is known here. */
export function RegistryRow(props: {
  readonly at: NamespaceRef;
  readonly entry: RegistryEntry;
  readonly mayWrite: boolean;
  readonly onChanged: () => Promise<void>;
}) {
  const { at, entry, mayWrite, onChanged } = props;
  const { registry, username, mirrors } = entry;
  const t = useTranslations("registries");
  const logout = useAction(async () => {
    await request("DELETE", registryPath(at, registry, "credential"));
    await onChanged();
  });
  const unmirror = useAction(async () => {
    await request("PUT", registryPath(at, registry, "mirrors"), { mirrors: [] });
    await onChanged();
  });
  const problem = logout.problem ?? unmirror.problem;
  return (
    <>
      <tr>
        <td className={classes.name}>{registry}</td>
        <td className={classes.name}>
          {username ?? <span className={table.soft}>{t("nobody")}</span>}
          {username !== undefined && <span className={table.under}>{t("sealed")}</span>}
        </td>
        <td className={classes.name}>
          {mirrors.length === 0 ? (
            <span className={table.soft}>–</span>
          ) : (
            mirrors.map((mirror) => (
              <div key={mirror} className={classes.mirror}>
                {mirror}
              </div>
            ))
          )}
        </td>
        <td className={`${table.soft} ${table.wide}`}>
          <Ago at={entry.changedAt} /> <span className={table.under}>{entry.changedBy}</span>
        </td>
        {mayWrite && (
          <td className={table.tight}>
            <div className={classes.tools}>
              {username !== undefined && (
                <Button
                  size="compact-xs"
                  variant="default"
                  loading={logout.busy}
                  onClick={() => void logout.run()}
                  aria-label={t("login.removeNamed", { registry })}
                >
                  {t("login.remove")}
                </Button>
              )}
              {mirrors.length > 0 && (
                <Button
                  size="compact-xs"
                  variant="default"
                  loading={unmirror.busy}
                  onClick={() => void unmirror.run()}
                  aria-label={t("mirror.removeNamed", { registry })}
                >
                  {t("mirror.remove")}
                </Button>
              )}
            </div>
          </td>
        )}
      </tr>
      {problem && (
        <tr>
          <td colSpan={5} style={{ borderTop: 0, paddingTop: 0 }}>
            <ProblemNote problem={problem} />
          </td>
        </tr>
      )}
    </>
  );
}
