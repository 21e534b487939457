"use client";

import { Modal, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import { type KeyboardEvent, useEffect, useMemo, useState } from "react";
import { useSession } from "#session/session.tsx";
import { type AppState, appState } from "#ui/state-looks.ts";
import { StateMark } from "#ui/state-mark.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./jump.module.css";
import { to } from "./links.ts";

interface Place {
  readonly href: string;
  readonly label: string;
  readonly hint: string;
  readonly state?: AppState;
}

/** Calls back on Ctrl+K or ⌘K. */
export function useJumpKey(open: () => void): void {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.altKey) return;
      event.preventDefault();
      open();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });
}

interface JumpProps {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly team: string | undefined;
  readonly namespace: string | undefined;
}

/** Goes to an app or namespace by a few letters of its name. */
export function Jump({ opened, onClose, team, namespace }: JumpProps) {
  const t = useTranslations("jump");
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size="md"
      yOffset="12vh"
      centered={false}
      aria-label={t("title")}
    >
      {opened &&
        (team && namespace ? <InNamespace team={team} namespace={namespace} onClose={onClose} /> : <Choice apps={[]} onClose={onClose} />)}
    </Modal>
  );
}

function InNamespace({ team, namespace, onClose }: { readonly team: string; readonly namespace: string; readonly onClose: () => void }) {
  const { items } = useList(namespacePath(team, namespace), "apps");
  const apps = useMemo(
    () =>
      items
        .map(
          (app): Place => ({
            href: to.app(team, namespace, app.metadata.name),
            label: app.metadata.name,
            hint: namespace,
            state: appState(app),
          }),
        )
        .sort((a, b) => a.label.localeCompare(b.label)),
    [items, team, namespace],
  );
  return <Choice apps={apps} onClose={onClose} />;
}

const SHOWN = 12;

function Choice({ apps, onClose }: { readonly apps: readonly Place[]; readonly onClose: () => void }) {
  const t = useTranslations("jump");
  const router = useRouter();
  const { me } = useSession();
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const places = useMemo(() => {
    const all: Place[] = [
      ...apps,
      ...(me?.teams ?? []).flatMap((team) => [
        ...team.namespaces.map((name) => ({ href: to.namespace(team.name, name), label: `${team.name} / ${name}`, hint: t("namespace") })),
        { href: to.quota(team.name), label: t("quotaOf", { team: team.name }), hint: t("page") },
      ]),
      { href: to.account(), label: t("account"), hint: t("page") },
      ...(me?.operator ? [{ href: to.hosts(), label: t("hosts"), hint: t("page") }] : []),
    ];
    const wanted = query.trim().toLowerCase();
    return all.filter((place) => place.label.toLowerCase().includes(wanted)).slice(0, SHOWN);
  }, [apps, me, query, t]);
  const go = (place: Place | undefined) => {
    if (!place) return;
    onClose();
    router.push(place.href);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setChosen((at) => Math.min(at + 1, places.length - 1));
    else if (event.key === "ArrowUp") setChosen((at) => Math.max(at - 1, 0));
    else if (event.key === "Enter") go(places[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <TextInput
        data-autofocus
        variant="unstyled"
        size="md"
        leftSection={<IconSearch size={16} />}
        placeholder={t("placeholder")}
        aria-label={t("placeholder")}
        value={query}
        onKeyDown={onKey}
        onChange={(event) => {
          setQuery(event.currentTarget.value);
          setChosen(0);
        }}
      />
      <ul className={classes.places}>
        {places.map((place, index) => (
          <li key={place.href}>
            <button
              type="button"
              className={classes.place}
              data-chosen={index === chosen || undefined}
              onMouseMove={() => setChosen(index)}
              onClick={() => go(place)}
            >
              {place.state && <StateMark of="app" state={place.state} bare />}
              <span className={classes.label}>{place.label}</span>
              <span className={classes.hint}>{place.hint}</span>
            </button>
          </li>
        ))}
        {places.length === 0 && <li className={classes.none}>{t("nothing")}</li>}
      </ul>
    </>
  );
}
