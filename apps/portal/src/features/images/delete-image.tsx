"use client";

import { Button, Modal } from "@mantine/core";
import { useTranslations } from "next-intl";
import { request } from "#api/request.ts";
import type { RegistryImageList } from "#api/types.ts";
import { plim } from "#format/plim.ts";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import classes from "./images.module.css";

/** Removes a tag that somebody pushed, once it was said again. */
export function DeleteImage(props: {
  readonly at: { readonly team: string; readonly namespace: string };
  readonly image: RegistryImageList["items"][number];
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}) {
  const { at, image, onClose, onDeleted } = props;
  const t = useTranslations("images.confirm");
  const name = `${image.app}:${image.tag}`;
  const path = `${namespacePath(at.team, at.namespace)}/apps/${image.app}/images/${encodeURIComponent(image.tag)}`;
  const remove = useAction(() => request("DELETE", path));
  const confirm = async () => {
    if (await remove.run()) onDeleted();
  };
  return (
    <Modal opened onClose={onClose} title={t("title", { name })}>
      <div className={classes.confirm}>
        <p className={classes.text}>{t("text")}</p>
        <PlimLine line={plim.deleteImage(at.team, at.namespace, name)} />
        <ProblemNote problem={remove.problem} />
        <div className={classes.buttons}>
          <Button variant="default" onClick={onClose} data-autofocus>
            {t("keep")}
          </Button>
          <Button color="red" onClick={() => void confirm()} loading={remove.busy}>
            {t("confirm")}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
