"use client";

import { useTranslations } from "next-intl";
import { LOOKS, type Look, PAST, type Shape, type StateOf } from "./state-looks.ts";
import classes from "./state-mark.module.css";

/** A state as shape, colour and word. `bare` leaves the word to the name for screen readers. */
export function StateMark<K extends keyof typeof LOOKS>(props: {
  readonly of: K;
  readonly state: StateOf<K>;
  readonly bare?: boolean;
  readonly count?: number;
}) {
  const t = useTranslations("state");
  const look = (LOOKS[props.of] as Record<string, Look>)[props.state] ?? PAST;
  // The keys of the catalogue are those of LOOKS: a test compares them.
  const word = t(`${props.of}.${props.state}` as Parameters<typeof t>[0]);
  return (
    <span className={classes.mark} data-tone={look.tone} data-state={props.state}>
      <svg className={classes.shape} viewBox="0 0 10 10" aria-hidden="true">
        <ShapePath shape={look.shape} />
      </svg>
      <span className={props.bare ? classes.hidden : classes.word}>
        {props.count === undefined ? word : t("counted", { count: props.count, word })}
      </span>
    </span>
  );
}

function ShapePath({ shape }: { readonly shape: Shape }) {
  switch (shape) {
    case "disc":
      return <circle cx="5" cy="5" r="4" fill="currentColor" />;
    case "triangle":
      return <path d="M5 .8 9.6 9H.4Z" fill="currentColor" />;
    case "ring":
      return <circle cx="5" cy="5" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.4" />;
    case "cross":
      return <path d="m1.6 1.6 6.8 6.8m0-6.8L1.6 8.4" fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" />;
    case "diamond":
      return <path d="M5 .4 9.6 5 5 9.6.4 5Z" fill="currentColor" />;
    case "dash":
      return <path d="M1.5 5h7" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />;
  }
}
