"use client";

import { Kbd, Menu, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconSearch } from "@tabler/icons-react";
import { useParams, usePathname, useSearchParams } from "next/navigation";
import { useTranslations } from "next-intl";
import { useState } from "react";
import { useSession } from "#session/session.tsx";
import { AppLink } from "#ui/app-link.tsx";
import classes from "./header.module.css";
import { Jump, useJumpKey } from "./jump.tsx";
import { LinkMarker } from "./link-marker.tsx";
import { to } from "./links.ts";
import { Logo } from "./logo.tsx";
import { NamespaceMenu } from "./namespace-menu.tsx";
import { ThemeMenu } from "./theme-menu.tsx";

/** The bar above every page: where one is, the parts of it, search, who one is. */
export function Header() {
  const t = useTranslations("nav");
  const params = useParams<{ team?: string; namespace?: string }>();
  const team = params.team;
  const asked = useSearchParams().get("namespace");
  const { me } = useSession();
  // The team's pages keep the namespace one came from.
  const namespace = params.namespace ?? me?.teams.find((one) => one.name === team)?.namespaces.find((one) => one === asked);
  const [jumping, setJumping] = useState(false);
  useJumpKey(() => setJumping(true));
  return (
    <header className={classes.header}>
      <div className={classes.bar}>
        <AppLink href={to.home()} className={classes.logo} aria-label={t("home")}>
          <Logo />
        </AppLink>
        <NamespaceMenu team={team} namespace={namespace} />
        <Sections team={team} namespace={namespace} />
        <div className={classes.end}>
          <LinkMarker />
          <UnstyledButton className={classes.search} onClick={() => setJumping(true)} aria-label={t("jump")}>
            <IconSearch size={14} />
            <span className={classes.searchText}>{t("jump")}</span>
            <Kbd size="xs" className={classes.searchText}>
              {t("jumpKey")}
            </Kbd>
          </UnstyledButton>
          <ThemeMenu />
          <UserMenu />
        </div>
      </div>
      <Jump opened={jumping} onClose={() => setJumping(false)} team={team} namespace={namespace} />
    </header>
  );
}

interface Section {
  readonly href: string;
  readonly label: string;
  readonly active: boolean;
}

function Sections({ team, namespace }: { readonly team: string | undefined; readonly namespace: string | undefined }) {
  const path = usePathname();
  const { me } = useSession();
  if (team) return <TeamSections team={team} namespace={namespace} path={path} />;
  if (me?.operator && (path === to.hosts() || path.startsWith(`${to.hosts()}/`))) return <PlatformSections path={path} />;
  return <div className={classes.sections} />;
}

function TeamSections({ team, namespace, path }: { readonly team: string; readonly namespace: string | undefined; readonly path: string }) {
  const t = useTranslations("nav");
  const sections: Section[] = [
    ...(namespace
      ? [
          {
            href: to.namespace(team, namespace),
            label: t("apps"),
            active: ![to.quota(team), to.disk(team, namespace), to.images(team, namespace), to.registries(team, namespace)].includes(path),
          },
        ]
      : []),
    ...(namespace ? [{ href: to.images(team, namespace), label: t("images"), active: path === to.images(team, namespace) }] : []),
    { href: to.quota(team, namespace), label: t("quota"), active: path === to.quota(team) },
    ...(namespace
      ? [{ href: to.registries(team, namespace), label: t("registries"), active: path === to.registries(team, namespace) }]
      : []),
    ...(namespace ? [{ href: to.disk(team, namespace), label: t("disk"), active: path === to.disk(team, namespace) }] : []),
  ];
  return <SectionLinks sections={sections} />;
}

/** What operators have that belongs to no team. */
function PlatformSections({ path }: { readonly path: string }) {
  const t = useTranslations("nav");
  const disks = path === to.hostDisks();
  return (
    <SectionLinks
      sections={[
        { href: to.hosts(), label: t("hosts"), active: !disks },
        { href: to.hostDisks(), label: t("hostDisks"), active: disks },
      ]}
    />
  );
}

function SectionLinks({ sections }: { readonly sections: readonly Section[] }) {
  const t = useTranslations("nav");
  return (
    <nav className={classes.sections} aria-label={t("sections")}>
      {sections.map((section) => (
        <AppLink key={section.href} href={section.href} className={classes.section} aria-current={section.active ? "page" : undefined}>
          {section.label}
        </AppLink>
      ))}
    </nav>
  );
}

function UserMenu() {
  const t = useTranslations("nav");
  const { me, signOut } = useSession();
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton className={classes.user} aria-label={t("user")}>
          <span className={classes.userName}>{me?.name ?? "\u00a0"}</span>
          <IconChevronDown size={14} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {me && <Menu.Label>{me.email}</Menu.Label>}
        <Menu.Item component={AppLink} href={to.account()}>
          {t("account")}
        </Menu.Item>
        {me?.operator && (
          <>
            <Menu.Item component={AppLink} href={to.hosts()}>
              {t("hosts")}
            </Menu.Item>
            <Menu.Item component={AppLink} href={to.hostDisks()}>
              {t("hostDisks")}
            </Menu.Item>
          </>
        )}
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()}>{t("signOut")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
