"use client";

import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { useEffect } from "react";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { useProblemText } from "#ui/problem-note.tsx";
import { lastPlace } from "./last-place.ts";

/** Leads on to the namespace one was in last, else to the first. */
export function Home() {
  const t = useTranslations("home");
  const router = useRouter();
  const text = useProblemText();
  const { me, problem } = useSession();
  const places = me?.teams.flatMap((team) => team.namespaces.map((namespace) => to.namespace(team.name, namespace)));
  const last = lastPlace.read();
  const target = places?.find((place) => place === last) ?? places?.[0] ?? (me?.teams[0] && to.quota(me.teams[0].name));
  useEffect(() => {
    if (target) router.replace(target);
  }, [target, router]);
  if (problem && problem.status !== 401)
    return <Message title={t("problem")} text={text(problem)} link={{ href: "/", label: t("again") }} />;
  if (me && !target) return <Message title={t("noTeamTitle")} text={t("noTeamText", { email: me.email })} />;
  return null;
}
