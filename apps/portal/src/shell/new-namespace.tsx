"use client";

import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { useSession } from "#session/session.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { to } from "./links.ts";

/** Asks for the name of a new namespace, makes it, and goes there. */
export function NewNamespace({ team, onClose }: { readonly team: string; readonly onClose: () => void }) {
  const t = useTranslations("newNamespace");
  const router = useRouter();
  const { reload } = useSession();
  const [name, setName] = useState("");
  const create = useAction(async () => {
    await request("POST", `/teams/${encodeURIComponent(team)}/namespaces`, { name });
    await reload();
    router.push(to.namespace(team, name));
    onClose();
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void create.run();
  };
  return (
    <Modal opened onClose={onClose} title={t("title", { team })}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <TextInput
            label={t("name")}
            description={t("nameHint")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
            required
          />
          <ProblemNote problem={create.problem} />
          <Group justify="flex-end">
            <Button type="submit" loading={create.busy} disabled={!name}>
              {t("create")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
