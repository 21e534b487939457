"use client";

import { Skeleton, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { useState } from "react";
import type { RegistryImageList } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { useSize } from "#features/quota/meters.tsx";
import { plim } from "#format/plim.ts";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { CommandBlock, PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { namespacePath } from "#watch/collections.ts";
import { DeleteImage } from "./delete-image.tsx";
import { ImageRow } from "./image-row.tsx";
import classes from "./images.module.css";

type Image = RegistryImageList["items"][number];

/** What the registry has of a namespace, and how images get there and back. */
export function ImagesPage({ team, namespace }: { readonly team: string; readonly namespace: string }) {
  const t = useTranslations("images");
  const text = useProblemText();
  const { can } = useSession();
  const { value: images, problem, again } = useFetched<RegistryImageList>(`${namespacePath(team, namespace)}/images`);
  const [search, setSearch] = useState("");
  const [deleting, setDeleting] = useState<Image>();
  const size = useSize();
  if (problem?.status === 404)
    return <Message title={t("missing", { namespace })} text={text(problem)} link={{ href: to.home(), label: t("home") }} />;
  const wanted = search.trim().toLowerCase();
  const shown = (images?.items ?? []).filter(
    ({ reference, digest }) => reference.toLowerCase().includes(wanted) || digest?.includes(wanted),
  );
  const mayDelete = can(team, "images.delete");
  return (
    <Page
      title={t("title")}
      crumbsLabel={t("crumbs")}
      crumbs={[{ href: to.namespace(team, namespace), label: `${team} / ${namespace}` }]}
      facts={
        images ? (
          <>
            <Fact label={t("used")}>{t("usedOf", { used: size(images.usedBytes), limit: size(images.limitBytes) })}</Fact>
            <Fact label={t("registry")}>{images.registry}</Fact>
          </>
        ) : (
          <Skeleton height={12} width={260} my={4} />
        )
      }
    >
      <ProblemNote problem={problem} />
      <Panel title={t("list")} aside={<PlimLine line={plim.images(team, namespace)} />} flush>
        {!images && !problem && <Skeleton height={120} m={16} />}
        {images && images.items.length === 0 && <div className={table.none}>{t("none")}</div>}
        {images && images.items.length > 0 && (
          <>
            <div className={classes.search}>
              <TextInput
                size="xs"
                label={t("search")}
                value={search}
                onChange={(event) => setSearch(event.currentTarget.value)}
                autoComplete="off"
              />
              <span className={table.soft} role="status">
                {t("count", { shown: shown.length, all: images.items.length })}
              </span>
            </div>
            <table className={table.table} aria-label={t("list")}>
              <thead>
                <tr>
                  <th>{t("image")}</th>
                  <th>{t("what")}</th>
                  <th className={table.wide}>{t("age")}</th>
                  <th className={table.number}>{t("size")}</th>
                  <th className={table.tight} />
                </tr>
              </thead>
              <tbody>
                {shown.map((image) => (
                  <ImageRow
                    key={image.reference}
                    at={{ team, namespace }}
                    image={image}
                    size={size(image.sizeBytes)}
                    {...(mayDelete && image.kind === "pushed" ? { onDelete: () => setDeleting(image) } : {})}
                  />
                ))}
              </tbody>
            </table>
          </>
        )}
      </Panel>
      {images && (
        <Panel title={t("use")}>
          <p className={classes.text}>{t("useText")}</p>
          <CommandBlock label={t("use")} lines={dockerLines(images.registry, team, namespace)} />
        </Panel>
      )}
      {deleting && (
        <DeleteImage
          at={{ team, namespace }}
          image={deleting}
          onClose={() => setDeleting(undefined)}
          onDeleted={() => {
            setDeleting(undefined);
            void again();
          }}
        />
      )}
    </Page>
  );
}

function dockerLines(registry: string, team: string, namespace: string): readonly string[] {
  const name = `${registry}/${team}/${namespace}/shop`;
  return [`docker login ${registry}`, `docker push ${name}:1.4`, `plim deploy shop -n ${team}/${namespace} --image ${name}:1.4`];
}
