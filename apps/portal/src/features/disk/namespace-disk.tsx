"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { NamespaceDisk } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { useSize } from "#features/quota/meters.tsx";
import { plim } from "#format/plim.ts";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Message } from "#ui/message.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { namespacePath } from "#watch/collections.ts";
import { CleanCache } from "./clean-cache.tsx";
import classes from "./disk.module.css";
import { ShareBar } from "./share-bar.tsx";

/** What a namespace has on the disks of the hosts, and the end of its build cache. */
export function NamespaceDiskPage({ team, namespace }: { readonly team: string; readonly namespace: string }) {
  const t = useTranslations("disk");
  const text = useProblemText();
  const { can } = useSession();
  const { value: disk, problem, again } = useFetched<NamespaceDisk>(`${namespacePath(team, namespace)}/disk`);
  const size = useSize();
  if (problem?.status === 404)
    return <Message title={t("missing", { namespace })} text={text(problem)} link={{ href: to.home(), label: t("home") }} />;
  const cache = (disk?.rows ?? [])
    .filter(({ kind, shared }) => !shared && (kind === "build-cache" || kind === "cache-mounts"))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  return (
    <Page
      title={t("title")}
      crumbsLabel={t("crumbs")}
      crumbs={[{ href: to.namespace(team, namespace), label: `${team} / ${namespace}` }]}
      facts={
        disk ? (
          <>
            <Fact label={t("own")}>{size(disk.bytes)}</Fact>
            {disk.sharedBytes > 0 && <Fact label={t("shared")}>{size(disk.sharedBytes)}</Fact>}
            {disk.hosts.map((host) => (
              <Fact key={host.name} label={t("counted", { host: host.name })}>
                <Ago at={host.measuredAt} />
              </Fact>
            ))}
            {disk.cleanedAt && (
              <Fact label={t("cleaned")}>
                <Ago at={disk.cleanedAt} />
              </Fact>
            )}
          </>
        ) : (
          <Skeleton height={12} width={260} my={4} />
        )
      }
    >
      <ProblemNote problem={problem} />
      <Panel title={t("parts")} aside={<PlimLine line={plim.disk(team, namespace)} />} flush>
        {disk ? <Rows at={{ team, namespace }} disk={disk} size={size} /> : !problem && <Skeleton height={120} m={16} />}
      </Panel>
      {disk && can(team, "disk.clean") && (
        <Panel title={t("clean.title")}>
          <CleanCache team={team} namespace={namespace} amount={size(cache)} onCleaned={() => void again()} />
        </Panel>
      )}
    </Page>
  );
}

function Rows(props: {
  readonly at: { readonly team: string; readonly namespace: string };
  readonly disk: NamespaceDisk;
  readonly size: (bytes: number) => string;
}) {
  const { at, disk, size } = props;
  const t = useTranslations("disk");
  if (disk.rows.length === 0) return <div className={table.none}>{t("nothing")}</div>;
  const largest = Math.max(...disk.rows.map(({ bytes }) => bytes));
  return (
    <table className={table.table} aria-label={t("parts")}>
      <thead>
        <tr>
          <th>{t("what")}</th>
          <th>{t("apps")}</th>
          <th className={table.wide}>{t("host")}</th>
          <th className={classes.share} />
          <th className={table.number}>{t("size")}</th>
        </tr>
      </thead>
      <tbody>
        {disk.rows.map((row) => (
          <tr key={`${row.host} ${row.kind} ${row.apps.join(" ")} ${row.shared}`}>
            <td title={t(`about.${row.kind}`)}>
              {t(`kind.${row.kind}`)}
              {row.shared && <span className={table.under}>{t("sharedHint")}</span>}
            </td>
            <td className={classes.apps}>
              {row.apps.map((app) => (
                <span key={app}>
                  <AppLink href={to.app(at.team, at.namespace, app)}>{app}</AppLink>{" "}
                </span>
              ))}
            </td>
            <td className={table.wide}>{row.host}</td>
            <td className={classes.share}>
              <ShareBar bytes={row.bytes} of={largest} />
            </td>
            <td className={table.number}>{size(row.bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
