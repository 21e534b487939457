"use client";

import { Button, Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import { useEffect } from "react";
import { API } from "#api/request.ts";
import type { ImagePackages } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { namespacePath } from "#watch/collections.ts";
import classes from "./packages.module.css";
import { PackagesTable } from "./packages-table.tsx";

/** Nobody tells when a list is there, and it takes seconds. */
const ASK_AGAIN_MS = 2_000;

type Props = AppRef & { readonly of: "releases" | "builds"; readonly name: string };

/** What the image of a release or build holds: packages of the system and of languages. */
export function PackagesPage({ of, name, ...at }: Props) {
  const t = useTranslations("packages");
  const text = useProblemText();
  const plim = usePlim(at);
  const path = `${namespacePath(at.team, at.namespace)}/${of}/${name}/packages`;
  const { value: packages, problem, again } = useFetched<ImagePackages>(path);
  const pending = packages?.state === "pending";
  useEffect(() => {
    if (!pending) return;
    const timer = setInterval(() => void again(), ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [pending, again]);
  if (problem?.status === 404) {
    const link = { href: to.deployments(at.team, at.namespace, at.app), label: t("toDeployments") };
    return <Message title={t("missing", { name })} text={text(problem)} link={link} />;
  }
  const number = name.slice(name.lastIndexOf("-") + 2);
  return (
    <Page
      crumbsLabel={t("crumbs")}
      crumbs={[
        { href: to.namespace(at.team, at.namespace), label: `${at.team} / ${at.namespace}` },
        { href: to.app(at.team, at.namespace, at.app), label: at.app },
        { href: to.deployments(at.team, at.namespace, at.app), label: t("deployments") },
      ]}
      title={of === "releases" ? t("titleRelease", { number }) : t("titleBuild", { number })}
      facts={packages ? <Facts packages={packages} /> : <Skeleton height={12} width={260} my={4} />}
      actions={packages?.state === "listed" && <Downloads path={path} name={name} />}
    >
      <ProblemNote problem={problem} />
      {packages && packages.notes.length > 0 && (
        <Panel title={t("notes", { count: packages.notes.length })}>
          <ul className={classes.notes}>
            {packages.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Panel>
      )}
      <Panel
        title={t("list")}
        aside={<PlimLine line={of === "releases" ? plim.sbom(at.app, number) : plim.sbomOfBuild(at.app, number)} />}
        flush
      >
        {!packages && !problem && <Skeleton height={160} m={16} />}
        {pending && (
          <div className={table.none} role="status">
            {t("pending")}
          </div>
        )}
        {packages?.state === "unknown" && <div className={table.none}>{t("unknown")}</div>}
        {packages?.state === "listed" && packages.packages.length === 0 && <Nothing packages={packages} />}
        {packages?.state === "listed" && packages.packages.length > 0 && <PackagesTable packages={packages} />}
      </Panel>
    </Page>
  );
}

function Facts({ packages }: { readonly packages: ImagePackages }) {
  const t = useTranslations("packages");
  return (
    <>
      {packages.distribution && <Fact label={t("system")}>{packages.distribution}</Fact>}
      {packages.counts.map(({ type, count }) => (
        <Fact key={type} label={t(`type.${type}`)}>
          {t("number", { count })}
        </Fact>
      ))}
      {packages.listedAt && (
        <Fact label={t("listed")}>
          <Ago at={packages.listedAt} />
        </Fact>
      )}
      <Fact label={t("image")}>
        <span className={table.mono} title={packages.image}>
          {packages.image.slice(0, 19)}
        </span>
      </Fact>
    </>
  );
}

function Downloads({ path, name }: { readonly path: string; readonly name: string }) {
  const t = useTranslations("packages");
  return (
    <>
      <Button component="a" href={`${API}${path}?format=cyclonedx`} download={`${name}.cdx.json`} variant="default">
        {t("cyclonedx")}
      </Button>
      <Button component="a" href={`${API}${path}?format=json`} download={`${name}.packages.json`} variant="default">
        {t("json")}
      </Button>
    </>
  );
}

function Nothing({ packages }: { readonly packages: ImagePackages }) {
  const t = useTranslations("packages");
  return (
    <div className={table.none}>
      <p>{t("nothing")}</p>
      <ul className={classes.notes}>
        {packages.lookedFor.map(({ type, what }) => (
          <li key={type}>{what}</li>
        ))}
      </ul>
    </div>
  );
}
