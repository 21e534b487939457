"use client";

import { Button, PasswordInput, Skeleton, TextInput } from "@mantine/core";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { useFetched } from "#api/use-fetched.ts";
import { AppLink } from "#ui/app-link.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { forgetEverywhere } from "#watch/connect.ts";
import classes from "./door.module.css";
import { Door } from "./door.tsx";

/** The one-time link that the first start printed: whoever holds it becomes the first administrator. */
export function Claim({ code }: { readonly code: string }) {
  const t = useTranslations("claim");
  const product = useTranslations("product");
  const { value: valid, problem } = useFetched<{ valid: boolean }>(`/claim/${encodeURIComponent(code)}`);
  if (problem) {
    return (
      <Door product={product("name")} title={t("refusedTitle")}>
        <div className={classes.form}>
          <ProblemNote problem={problem} />
          <AppLink href="/login">{t("toLogin")}</AppLink>
        </div>
      </Door>
    );
  }
  return (
    <Door product={product("name")} title={t("title")} text={t("text")}>
      {valid ? (
        <ClaimForm code={code} />
      ) : (
        <div className={classes.form}>
          {["name", "email", "password", "submit"].map((field) => (
            <Skeleton key={field} height={field === "submit" ? 36 : 58} />
          ))}
        </div>
      )}
    </Door>
  );
}

function ClaimForm({ code }: { readonly code: string }) {
  const t = useTranslations("claim");
  const router = useRouter();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const claim = useAction(async () => {
    await request("POST", "/claim", { code, name, email, password });
    forgetEverywhere();
    router.replace("/");
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void claim.run();
  };
  const wrong = (path: string) => claim.problem?.fields?.find((field) => field.path === path)?.message;
  return (
    <form onSubmit={submit} className={classes.form}>
      <TextInput
        label={t("name")}
        autoComplete="name"
        required
        withAsterisk={false}
        value={name}
        error={wrong("name")}
        onChange={(event) => setName(event.currentTarget.value)}
        autoFocus
      />
      <TextInput
        label={t("email")}
        type="email"
        autoComplete="username"
        required
        withAsterisk={false}
        value={email}
        error={wrong("email")}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label={t("password")}
        description={t("passwordHint")}
        autoComplete="new-password"
        required
        withAsterisk={false}
        minLength={10}
        value={password}
        error={wrong("password")}
        onChange={(event) => setPassword(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": t("showPassword") }}
      />
      <ProblemNote problem={claim.problem} />
      <Button type="submit" size="sm" loading={claim.busy} fullWidth>
        {t("submit")}
      </Button>
    </form>
  );
}
