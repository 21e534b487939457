"use client";

import { Button, Modal, Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { useEffect, useState } from "react";
import { request } from "#api/request.ts";
import type { Branch, Items } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./repository.module.css";

const SHOWN = 20;

/** Branches and tags as they were pushed; any branch can be deployed, and one is by every push. */
export function Branches({ at, release }: { readonly at: AppRef; readonly release: number | undefined }) {
  const t = useTranslations("repository.branches");
  const { can } = useSession();
  const path = `${namespacePath(at.team, at.namespace)}/apps/${at.app}`;
  const branches = useFetched<Items<Branch> & { readonly more: boolean }>(`${path}/branches`);
  const [all, setAll] = useState(false);
  const [chosen, setChosen] = useState<Branch>();
  const { again } = branches;
  // What is live is said per branch: another release changes it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the release is why, not what
  useEffect(() => void again(), [again, release]);
  const items = branches.value?.items ?? [];
  return (
    <>
      <p className={classes.intro}>{t("text")}</p>
      <ProblemNote problem={branches.problem} />
      {!branches.value && !branches.problem && <Skeleton height={12} width="50%" m={16} />}
      {branches.value && items.length === 0 && <div className={table.none}>{t("none")}</div>}
      {items.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {(all ? items : items.slice(0, SHOWN)).map((branch) => (
              <tr key={`${branch.kind}/${branch.name}`}>
                <td>
                  <span className={classes.name}>{branch.name}</span>
                  {branch.kind === "tag" && <span className={classes.mark}>{t("tag")}</span>}
                  {branch.deployed && <span className={classes.mark}>{t("deployed")}</span>}
                  {branch.live && <span className={classes.mark}>{t("live")}</span>}
                  <span className={table.under}>
                    <span className={classes.commit}>{branch.commit.slice(0, 7)}</span> {branch.subject}
                  </span>
                </td>
                <td className={`${table.tight} ${table.soft} ${table.wide}`}>{branch.author}</td>
                <td className={`${table.tight} ${table.soft}`}>{branch.committedAt && <Ago at={branch.committedAt} />}</td>
                <td className={table.tight}>
                  {branch.kind === "branch" && !branch.live && can(at.team, "builds.create") && (
                    <Button
                      size="compact-xs"
                      variant="default"
                      aria-label={t("deployNamed", { branch: branch.name })}
                      onClick={() => setChosen(branch)}
                    >
                      {t("deploy")}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {!all && items.length > SHOWN && (
        <div className={table.none}>
          <Button variant="default" onClick={() => setAll(true)}>
            {t("more", { count: items.length - SHOWN })}
          </Button>
        </div>
      )}
      {all && branches.value?.more && <div className={table.none}>{t("cut")}</div>}
      {chosen && <DeployDialog at={at} branch={chosen} path={path} onClose={() => setChosen(undefined)} />}
    </>
  );
}

function DeployDialog(props: { readonly at: AppRef; readonly branch: Branch; readonly path: string; readonly onClose: () => void }) {
  const { at, branch } = props;
  const t = useTranslations("repository.branches");
  const plim = usePlim(at);
  const [build, setBuild] = useState<Resource<"Build">>();
  const deploy = useAction(async () => setBuild(await request("POST", `${props.path}/deploy-branch`, { branch: branch.name })));
  return (
    <Modal opened onClose={props.onClose} title={t("deployNamed", { branch: branch.name })}>
      <p className={classes.dialog}>{t("deployText", { commit: branch.commit.slice(0, 7), subject: branch.subject })}</p>
      <ProblemNote problem={deploy.problem} />
      {build ? (
        <AppLink href={to.build(at.team, at.namespace, at.app, build.metadata.name)}>{t("toBuild", { number: build.spec.number })}</AppLink>
      ) : (
        <div className={classes.row}>
          <PlimLine line={plim.deployBranch(at.app, branch.name)} />
          <Button loading={deploy.busy} onClick={() => void deploy.run()}>
            {t("deploy")}
          </Button>
        </div>
      )}
    </Modal>
  );
}
