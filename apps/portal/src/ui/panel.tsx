import { type ReactNode, useId } from "react";
import classes from "./panel.module.css";

/** A part of a page under its own heading. `aside` stands to the right of the heading. `flush`: the content goes to the edges. */
export function Panel(props: {
  readonly title: string;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
  readonly flush?: boolean;
  readonly anchor?: string;
}) {
  const id = useId();
  return (
    <section className={classes.panel} aria-labelledby={id} id={props.anchor}>
      <header className={classes.head}>
        <h2 className={classes.title} id={id}>
          {props.title}
        </h2>
        {props.aside && <div className={classes.aside}>{props.aside}</div>}
      </header>
      <div className={props.flush ? classes.flush : classes.body}>{props.children}</div>
    </section>
  );
}
