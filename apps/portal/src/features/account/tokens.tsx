"use client";

import { Button, NativeSelect, Skeleton, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import type { CreatedToken, Items, Token } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { plim } from "#format/plim.ts";
import { CommandBlock } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import classes from "./account.module.css";

const DAYS = [7, 30, 90, 365] as const;
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** API tokens: their secret is shown once, when they are made. */
export function Tokens() {
  const t = useTranslations("account.tokens");
  const tokens = useFetched<Items<Token>>("/tokens");
  const [created, setCreated] = useState<CreatedToken>();
  const revoke = useAction(async (id: string) => {
    await request("DELETE", `/tokens/${encodeURIComponent(id)}`);
    if (created?.id === id) setCreated(undefined);
    await tokens.again();
  });
  return (
    <>
      <p className={classes.intro}>{t("text")}</p>
      <ProblemNote problem={tokens.problem ?? revoke.problem} />
      {created && (
        <div className={classes.created} role="status">
          <p>{t("created", { name: created.name })}</p>
          <CommandBlock label={t("secretOf", { name: created.name })} lines={[plim.login(location.origin, created.secret)]} />
        </div>
      )}
      {!tokens.value && !tokens.problem && <Skeleton height={12} width="50%" m={16} />}
      {tokens.value && tokens.value.items.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <tbody>
            {tokens.value.items.map((token) => (
              <tr key={token.id}>
                <td>
                  {token.name}
                  <span className={table.under}>
                    {token.lastUsedAt ? t.rich("used", { ago: () => <Ago at={token.lastUsedAt ?? ""} /> }) : t("unused")}
                  </span>
                </td>
                <td className={`${table.tight} ${table.soft} ${table.wide}`}>
                  {token.expiresAt ? t("expires", { date: DATE.format(new Date(token.expiresAt)) }) : t("forever")}
                </td>
                <td className={table.tight}>
                  <Button
                    size="compact-xs"
                    variant="default"
                    disabled={revoke.busy}
                    aria-label={t("revokeNamed", { name: token.name })}
                    onClick={() => void revoke.run(token.id)}
                  >
                    {t("revoke")}
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className={classes.add}>
        <CreateToken
          onCreated={async (token) => {
            setCreated(token);
            await tokens.again();
          }}
        />
      </div>
    </>
  );
}

function CreateToken({ onCreated }: { readonly onCreated: (token: CreatedToken) => Promise<void> }) {
  const t = useTranslations("account.tokens");
  const [name, setName] = useState("");
  const [days, setDays] = useState<string>("90");
  const create = useAction(async () => {
    const token = await request<CreatedToken>("POST", "/tokens", { name, ...(days === "" ? {} : { expiresInDays: Number(days) }) });
    setName("");
    await onCreated(token);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void create.run();
  };
  return (
    <form className={classes.form} onSubmit={submit}>
      <div className={classes.row}>
        <TextInput
          size="xs"
          label={t("name")}
          placeholder={t("namePlaceholder")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <NativeSelect
          size="xs"
          label={t("lifetime")}
          value={days}
          onChange={(event) => setDays(event.currentTarget.value)}
          data={[...DAYS.map((one) => ({ value: String(one), label: t("days", { days: one }) })), { value: "", label: t("noEnd") }]}
        />
        <Button type="submit" loading={create.busy} disabled={name.trim() === ""}>
          {t("create")}
        </Button>
      </div>
      <ProblemNote problem={create.problem} />
    </form>
  );
}
