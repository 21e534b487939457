"use client";

import { ActionIcon, Menu, useMantineColorScheme } from "@mantine/core";
import { IconCheck, IconDeviceDesktop, IconMoon, IconSun } from "@tabler/icons-react";
import { useTranslations } from "next-intl";
import { useEffect, useState } from "react";
import classes from "./header.module.css";

const SCHEMES = [
  { scheme: "auto", Icon: IconDeviceDesktop },
  { scheme: "light", Icon: IconSun },
  { scheme: "dark", Icon: IconMoon },
] as const;

/** Light, dark, or as the system has it; remembered in this browser and set before the first paint. */
export function ThemeMenu() {
  const t = useTranslations("theme");
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [here, setHere] = useState(false); // the server does not know what this browser remembers
  useEffect(() => setHere(true), []);
  return (
    <Menu position="bottom-end" width={160}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t("label")}>
          <IconSun size={16} className={classes.sun} />
          <IconMoon size={16} className={classes.moon} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {SCHEMES.map(({ scheme, Icon }) => (
          <Menu.Item
            key={scheme}
            leftSection={<Icon size={14} />}
            rightSection={here && colorScheme === scheme ? <IconCheck size={14} /> : undefined}
            onClick={() => setColorScheme(scheme)}
          >
            {t(scheme)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
