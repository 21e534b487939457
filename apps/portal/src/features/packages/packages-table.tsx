"use client";

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useTranslations } from "next-intl";
import { useMemo, useState } from "react";
import type { ImagePackages } from "#api/types.ts";
import table from "#ui/table.module.css";
import classes from "./packages.module.css";

/** Rows that a browser shows without a pause; more when they are asked for. */
const PAGE = 200;

/** The packages of an image, searched by name, version, licence or place. */
export function PackagesTable({ packages: { packages, counts } }: { readonly packages: ImagePackages }) {
  const t = useTranslations("packages");
  const [search, setSearch] = useState("");
  const [type, setType] = useState("");
  const [most, setMost] = useState(PAGE);
  const found = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    return packages.filter((one) => (type === "" || one.type === type) && textOf(one).includes(wanted));
  }, [packages, search, type]);
  return (
    <>
      <div className={classes.search}>
        <TextInput
          size="xs"
          label={t("search")}
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            setMost(PAGE);
          }}
          autoComplete="off"
        />
        <NativeSelect
          size="xs"
          label={t("kind")}
          value={type}
          onChange={(event) => {
            setType(event.currentTarget.value);
            setMost(PAGE);
          }}
          data={[{ value: "", label: t("everyKind") }, ...counts.map((one) => ({ value: one.type, label: t(`type.${one.type}`) }))]}
        />
        <span className={`${table.soft} ${classes.count}`} role="status">
          {t("count", { shown: found.length, all: packages.length })}
        </span>
      </div>
      <table className={table.table} aria-label={t("list")}>
        <thead>
          <tr>
            <th>{t("package")}</th>
            <th className={table.wide}>{t("kind")}</th>
            <th>{t("version")}</th>
            <th className={table.wide}>{t("license")}</th>
          </tr>
        </thead>
        <tbody>
          {found.slice(0, most).map((one) => (
            <PackageRow key={`${one.type} ${one.name} ${one.version} ${one.purl ?? one.paths[0]}`} one={one} />
          ))}
        </tbody>
      </table>
      {found.length > most && (
        <div className={classes.more}>
          <Button size="xs" variant="default" onClick={() => setMost(most + 5 * PAGE)}>
            {t("more", { count: Math.min(5 * PAGE, found.length - most) })}
          </Button>
        </div>
      )}
    </>
  );
}

type Package = ImagePackages["packages"][number];

function PackageRow({ one }: { readonly one: Package }) {
  const t = useTranslations("packages");
  const others = one.paths.length - 1 + (one.morePaths ?? 0);
  return (
    <tr>
      <td className={classes.name} title={one.purl ?? one.name}>
        {one.name}
        <span className={`${table.under} ${table.mono}`} title={one.paths.join("\n")}>
          {others > 0 ? t("placeAndMore", { place: one.paths[0] ?? "", count: others }) : one.paths[0]}
        </span>
      </td>
      <td className={`${table.wide} ${table.soft}`}>{t(`type.${one.type}`)}</td>
      <td className={classes.version}>{one.version === "" ? "–" : one.version}</td>
      <td className={`${table.wide} ${table.soft} ${classes.name}`}>{one.license ?? "–"}</td>
    </tr>
  );
}

function textOf({ name, version, license = "", paths }: Package): string {
  return `${name} ${version} ${license} ${paths.join(" ")}`.toLowerCase();
}
