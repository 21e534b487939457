import type { ReactNode } from "react";
import { AppLink } from "./app-link.tsx";
import classes from "./message.module.css";

/** A page that has only one thing to say. */
export function Message(props: {
  readonly title: string;
  readonly text: ReactNode;
  readonly link?: { readonly href: string; readonly label: string };
}) {
  return (
    <main className={classes.message}>
      <h1 className={classes.title}>{props.title}</h1>
      <p className={classes.text}>{props.text}</p>
      {props.link && (
        <AppLink className={classes.link} href={props.link.href}>
          {props.link.label}
        </AppLink>
      )}
    </main>
  );
}
