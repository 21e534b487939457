"use client";

import { Menu, Skeleton, UnstyledButton } from "@mantine/core";
import { IconPlus, IconSelector } from "@tabler/icons-react";
import { useTranslations } from "next-intl";
import { useState } from "react";
import { useSession } from "#session/session.tsx";
import { AppLink } from "#ui/app-link.tsx";
import classes from "./header.module.css";
import { to } from "./links.ts";
import { NewNamespace } from "./new-namespace.tsx";

/** Says which namespace one is in and leads to the others. */
export function NamespaceMenu({ team, namespace }: { readonly team: string | undefined; readonly namespace: string | undefined }) {
  const t = useTranslations("nav");
  const { me, can } = useSession();
  const [creatingIn, setCreatingIn] = useState<string>();
  if (!me && !team) return <Skeleton width={120} height={16} />;
  return (
    <>
      <Menu position="bottom-start" width={260}>
        <Menu.Target>
          <UnstyledButton className={classes.place} aria-label={t("switch")}>
            {team ? (
              <span className={classes.placeText}>
                <span className={classes.team}>{team}</span>
                {namespace && (
                  <>
                    <span className={classes.slash}>/</span>
                    <span className={classes.namespace}>{namespace}</span>
                  </>
                )}
              </span>
            ) : (
              <span className={classes.placeText}>{t("choose")}</span>
            )}
            <IconSelector size={14} className={classes.selector} />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown className={classes.places}>
          {me?.teams.map((one) => (
            <div key={one.name}>
              <Menu.Label>{one.displayName || one.name}</Menu.Label>
              {one.namespaces.map((name) => (
                <Menu.Item key={name} component={AppLink} href={to.namespace(one.name, name)}>
                  {one.name} / {name}
                </Menu.Item>
              ))}
              {can(one.name, "namespaces.create") && (
                <Menu.Item leftSection={<IconPlus size={14} />} onClick={() => setCreatingIn(one.name)}>
                  {t("newNamespace")}
                </Menu.Item>
              )}
            </div>
          ))}
          {me?.teams.length === 0 && <Menu.Label>{t("noTeams")}</Menu.Label>}
        </Menu.Dropdown>
      </Menu>
      {creatingIn && <NewNamespace team={creatingIn} onClose={() => setCreatingIn(undefined)} />}
    </>
  );
}
