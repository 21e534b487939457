import type { ReactNode } from "react";
import { Logo } from "#shell/logo.tsx";
import classes from "./door.module.css";

/** The frame of the pages before one is signed in. */
export function Door(props: {
  readonly product: string;
  readonly title: string;
  readonly text?: ReactNode;
  readonly children?: ReactNode;
}) {
  return (
    <main className={classes.door}>
      <div className={classes.product}>
        <Logo size={24} />
        {props.product}
      </div>
      <div className={classes.card}>
        <h1 className={classes.title}>{props.title}</h1>
        {props.text && <p className={classes.text}>{props.text}</p>}
        {props.children}
      </div>
    </main>
  );
}
