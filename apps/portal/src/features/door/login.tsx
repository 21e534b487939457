"use client";

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { type FormEvent, useState } from "react";
import { request } from "#api/request.ts";
import { ProblemNote } from "#ui/problem-note.tsx";
import { useAction } from "#ui/use-action.ts";
import { forgetEverywhere } from "#watch/connect.ts";
import classes from "./door.module.css";
import { Door } from "./door.tsx";

/** Signs in and goes on to `next`, a path of this portal. */
export function Login({ next }: { readonly next: string }) {
  const t = useTranslations("login");
  const product = useTranslations("product");
  const router = useRouter();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const login = useAction(async () => {
    await request("POST", "/login", { email, password });
    forgetEverywhere();
    router.replace(ownPath(next));
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void login.run();
  };
  return (
    <Door product={product("name")} title={t("title")}>
      <form onSubmit={submit} className={classes.form}>
        <TextInput
          label={t("email")}
          type="email"
          name="email"
          autoComplete="username"
          required
          withAsterisk={false}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          autoFocus
        />
        <PasswordInput
          label={t("password")}
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": t("showPassword") }}
        />
        <ProblemNote problem={login.problem} />
        <Button type="submit" size="sm" loading={login.busy} fullWidth>
          {t("submit")}
        </Button>
      </form>
    </Door>
  );
}

/** `next` comes from the address bar: anything but a path of this very site leads home. */
function ownPath(next: string): string {
  const url = URL.canParse(next, location.origin) ? new URL(next, location.origin) : undefined;
  return url?.origin === location.origin && next.startsWith("/") ? url.pathname + url.search : "/";
}
