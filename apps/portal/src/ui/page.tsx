import type { ReactNode } from "react";
import { AppLink } from "./app-link.tsx";
import classes from "./page.module.css";

export interface Crumb {
  readonly label: string;
  readonly href: string;
}

/** The frame of a page: where it is, its name, its facts and actions, its parts. `wide` uses all of the window. */
export function Page(props: {
  readonly title: ReactNode;
  readonly crumbs?: readonly Crumb[];
  readonly crumbsLabel?: string;
  readonly facts?: ReactNode;
  readonly actions?: ReactNode;
  readonly tabs?: ReactNode;
  readonly children: ReactNode;
  readonly wide?: boolean;
}) {
  return (
    <main className={classes.page} data-wide={props.wide || undefined}>
      <div className={classes.head}>
        {props.crumbs && props.crumbs.length > 0 && (
          <nav aria-label={props.crumbsLabel} className={classes.crumbs}>
            {props.crumbs.map((crumb) => (
              <AppLink key={crumb.href} href={crumb.href}>
                {crumb.label}
              </AppLink>
            ))}
          </nav>
        )}
        <div className={classes.row}>
          <h1 className={classes.title}>{props.title}</h1>
          {props.actions && <div className={classes.actions}>{props.actions}</div>}
        </div>
        {props.facts && <div className={classes.facts}>{props.facts}</div>}
      </div>
      {props.tabs}
      <div className={classes.parts}>{props.children}</div>
    </main>
  );
}

/** One fact in a page's head: a quiet label and what it says. */
export function Fact({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <span className={classes.label}>{label}</span>
      <span className={classes.value}>{children}</span>
    </div>
  );
}

/** Links between the parts of one thing, each with its own address. */
export function Tabs({ label, tabs, current }: { readonly label: string; readonly tabs: readonly Crumb[]; readonly current: string }) {
  return (
    <nav aria-label={label} className={classes.tabs}>
      {tabs.map((tab) => (
        <AppLink key={tab.href} href={tab.href} className={classes.tab} aria-current={tab.href === current ? "page" : undefined}>
          {tab.label}
        </AppLink>
      ))}
    </nav>
  );
}
