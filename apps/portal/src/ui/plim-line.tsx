"use client";

import { CopyButton, UnstyledButton } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslations } from "next-intl";
import classes from "./plim-line.module.css";

/** A command to copy into a terminal. */
export function PlimLine({ line, prompt = true }: { readonly line: string; readonly prompt?: boolean }) {
  const t = useTranslations("plim");
  return (
    <CopyButton value={line} timeout={1_500}>
      {({ copied, copy }) => (
        <UnstyledButton className={classes.line} onClick={copy} aria-label={t("copy", { line })} title={t("copyTitle")}>
          <code className={classes.code} data-prompt={prompt || undefined}>
            {line}
          </code>
          {copied ? <IconCheck className={classes.icon} data-copied /> : <IconCopy className={classes.icon} />}
        </UnstyledButton>
      )}
    </CopyButton>
  );
}

/** Several lines that belong together, copied as one. */
export function CommandBlock({ lines, label }: { readonly lines: readonly string[]; readonly label: string }) {
  const t = useTranslations("plim");
  return (
    <figure className={classes.block} aria-label={label}>
      <pre className={classes.pre}>
        <code>{lines.join("\n")}</code>
      </pre>
      <CopyButton value={lines.join("\n")} timeout={1_500}>
        {({ copied, copy }) => (
          <UnstyledButton className={classes.blockCopy} onClick={copy} aria-label={t("copyAll", { label })}>
            {copied ? <IconCheck className={classes.icon} data-copied /> : <IconCopy className={classes.icon} />}
            {copied ? t("copied") : t("copyShort")}
          </UnstyledButton>
        )}
      </CopyButton>
    </figure>
  );
}
