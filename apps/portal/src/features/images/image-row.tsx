import { Button } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { RegistryImageList } from "#api/types.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import classes from "./images.module.css";

/** One tag of an app's repository. Releases have no button: their images go with them. */
export function ImageRow(props: {
  readonly at: { readonly team: string; readonly namespace: string };
  readonly image: RegistryImageList["items"][number];
  readonly size: string;
  readonly onDelete?: () => void;
}) {
  const { at, image, size, onDelete } = props;
  const t = useTranslations("images");
  return (
    <tr className={table.link}>
      <td>
        <AppLink href={to.app(at.team, at.namespace, image.app)} className={table.cover}>
          {image.app}
        </AppLink>
        <span className={classes.tag} title={image.reference}>
          :{image.kind === "commit" ? image.tag.slice(0, 12) : image.tag}
        </span>
        {image.digest === undefined ? (
          <span className={table.under}>{t("notAsked")}</span>
        ) : (
          <span className={`${table.under} ${table.mono}`} title={image.digest}>
            {image.digest.slice(0, 19)}
          </span>
        )}
      </td>
      <td className={table.soft}>{t(`kind.${image.kind}`, { release: image.release ?? 0 })}</td>
      <td className={table.wide}>
        <Ago at={image.createdAt} />
      </td>
      <td className={table.number}>{size}</td>
      <td className={table.tight}>
        {onDelete && (
          <Button
            className={table.above}
            size="compact-xs"
            variant="default"
            aria-label={t("deleteNamed", { image: `${image.app}:${image.tag}` })}
            onClick={onDelete}
          >
            {t("delete")}
          </Button>
        )}
      </td>
    </tr>
  );
}
