import type { WrittenRecipe } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import classes from "./written-recipe.module.css";

/** What a commit without a Dockerfile was taken for, and the Dockerfile that was written for it. */
export function WrittenRecipePanel({ written }: { readonly written: WrittenRecipe }) {
  const t = useTranslations("deployment.written");
  return (
    <Panel title={t("title", { what: written.what })} aside={<PlimLine line="plim build --eject" />}>
      <ul className={classes.because}>
        {written.because.map((why) => (
          <li key={why}>{why}</li>
        ))}
      </ul>
      <details className={classes.recipe}>
        <summary>{t("show")}</summary>
        <pre>{written.dockerfile}</pre>
      </details>
    </Panel>
  );
}
