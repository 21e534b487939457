import type { BuildAdvice, BuildWarning, ExcerptLine } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import classes from "./remarks.module.css";

/** Lines of a Dockerfile with their numbers; those that it is about are marked. */
export function Excerpt({ lines }: { readonly lines: readonly ExcerptLine[] }) {
  return (
    <pre className={classes.excerpt}>
      {lines.map(({ line, text, marked }) => (
        <span key={line} className={classes.line} data-marked={marked || undefined}>
          <span className={classes.number} aria-hidden="true">
            {line}
          </span>
          {marked ? <mark>{text || " "}</mark> : <span>{text || " "}</span>}
        </span>
      ))}
    </pre>
  );
}

/** What the build checks found: each with its place, the lines open to who wants them. */
export function WarningsPanel({ warnings }: { readonly warnings: readonly BuildWarning[] }) {
  const t = useTranslations("deployment");
  return (
    <Panel title={t("warnings.title", { count: warnings.length })}>
      <ul className={classes.list}>
        {warnings.map((warning) => (
          <li key={`${warning.check} ${warning.line} ${warning.message}`}>
            <div>{warning.message}</div>
            <details className={classes.details}>
              <summary>
                <code>{t("where", { file: warning.file, line: warning.line })}</code> <span className={classes.soft}>{warning.check}</span>
              </summary>
              {warning.excerpt && <Excerpt lines={warning.excerpt} />}
            </details>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** What would make the next build faster, the image smaller or the app safer, with why and what to type. */
export function AdvicePanel({ advice }: { readonly advice: readonly BuildAdvice[] }) {
  const t = useTranslations("deployment");
  return (
    <Panel title={t("advice.title", { count: advice.length })} aside={<PlimLine line="plim build --advise" />}>
      <ul className={classes.list}>
        {advice.map((one) => (
          <li key={`${one.about} ${one.message}`}>
            <div>
              {one.message} <span className={classes.soft}>{one.why}</span>
            </div>
            <div className={classes.fix}>
              <span className={classes.soft}>{t("advice.fix")}</span> <code>{one.fix}</code>
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
