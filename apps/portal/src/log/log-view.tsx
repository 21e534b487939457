"use client";

import { ActionIcon, CopyButton, TextInput, Tooltip } from "@mantine/core";
import {
  IconArrowBarToDown,
  IconCheck,
  IconChevronDown,
  IconChevronUp,
  IconCopy,
  IconPlayerPause,
  IconPlayerPlay,
  IconSearch,
} from "@tabler/icons-react";
import { useTranslations } from "next-intl";
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { FollowState } from "#stream/event-stream.ts";
import { useProblemText } from "#ui/problem-note.tsx";
import { findLines, type LogLine } from "./lines.ts";
import classes from "./log-view.module.css";

const ROW_PX = 18;
/** Up to here all lines are in the document, so that the browser's own search finds them; above, only those in sight. */
const ALL_DRAWN = 1_000;
const BEYOND_SIGHT = 40;
const AT_END_PX = 24;

/**
 * Shows a log: follows its end until one scrolls up, can be paused (what comes waits), searched in the lines that are loaded,
 * and copied. A line never wraps; lines are all of one height.
 */
export function LogView(props: {
  readonly label: string;
  readonly lines: readonly LogLine[];
  readonly dropped?: number;
  readonly stream?: FollowState;
  /** Said while there is no line. */
  readonly empty: string;
  readonly head?: ReactNode;
}) {
  const t = useTranslations("log");
  const [frozen, setFrozen] = useState<readonly LogLine[]>();
  const lines = frozen ?? props.lines;
  const waiting = frozen === undefined ? 0 : Math.max(0, props.lines.length - frozen.length);
  const [following, setFollowing] = useState(true);
  const [view, setView] = useState({ top: 0, height: 600 });
  const box = useRef<HTMLDivElement>(null);

  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const found = useMemo(() => findLines(lines, query), [lines, query]);
  const current = found[Math.min(at, found.length - 1)];

  useLayoutEffect(() => {
    const element = box.current;
    if (element && following && frozen === undefined) element.scrollTop = element.scrollHeight;
  });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setView({ top: element.scrollTop, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element || current === undefined) return;
    setFollowing(false);
    const top = current * ROW_PX;
    if (top < element.scrollTop || top > element.scrollTop + element.clientHeight - 2 * ROW_PX)
      element.scrollTop = top - element.clientHeight / 3;
  }, [current]);

  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    setView({ top: element.scrollTop, height: element.clientHeight });
    setFollowing(element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX);
  };
  const step = (by: number) => found.length > 0 && setAt((was) => (Math.min(was, found.length - 1) + by + found.length) % found.length);
  const onSearchKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") setQuery("");
    else return;
    event.preventDefault();
  };

  const all = lines.length <= ALL_DRAWN;
  const first = all ? 0 : Math.max(0, Math.floor(view.top / ROW_PX) - BEYOND_SIGHT);
  const last = all ? lines.length : Math.min(lines.length, Math.ceil((view.top + view.height) / ROW_PX) + BEYOND_SIGHT);
  return (
    <div className={classes.log}>
      <div className={classes.bar}>
        <div className={classes.head}>{props.head}</div>
        <StreamWord state={props.stream} paused={frozen !== undefined} waiting={waiting} />
        <TextInput
          size="xs"
          className={classes.search}
          leftSection={<IconSearch size={13} />}
          placeholder={t("search")}
          aria-label={t("search")}
          value={query}
          onChange={(event) => {
            setQuery(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onSearchKey}
        />
        {query !== "" && (
          <>
            <span className={classes.found} role="status">
              {found.length === 0 ? t("foundNone") : t("found", { at: Math.min(at, found.length - 1) + 1, count: found.length })}
            </span>
            <Tool label={t("previous")} onClick={() => step(-1)} icon={<IconChevronUp size={15} />} />
            <Tool label={t("next")} onClick={() => step(1)} icon={<IconChevronDown size={15} />} />
          </>
        )}
        <Tool
          label={frozen ? t("resume") : t("pause")}
          onClick={() => setFrozen(frozen ? undefined : props.lines)}
          icon={frozen ? <IconPlayerPlay size={15} /> : <IconPlayerPause size={15} />}
        />
        <Tool
          label={t("follow")}
          pressed={following && !frozen}
          onClick={() => {
            setFrozen(undefined);
            setFollowing(true);
          }}
          icon={<IconArrowBarToDown size={15} />}
        />
        <CopyButton value={lines.map((line) => line.text).join("\n")}>
          {({ copied, copy }) => (
            <Tool
              label={copied ? t("copied") : t("copy")}
              onClick={copy}
              icon={copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
            />
          )}
        </CopyButton>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <div className={classes.box} ref={box} onScroll={onScroll} role="log" aria-live="off" aria-label={props.label} tabIndex={0}>
        {(props.dropped ?? 0) > 0 && first === 0 && <div className={classes.note}>{t("dropped", { count: props.dropped ?? 0 })}</div>}
        {lines.length === 0 && <div className={classes.note}>{props.empty}</div>}
        <div className={classes.rows} style={{ height: lines.length * ROW_PX }}>
          <div style={{ transform: `translateY(${first * ROW_PX}px)` }}>
            {lines.slice(first, last).map((line, offset) => {
              const index = first + offset;
              return (
                <div key={index} className={classes.line} data-tone={line.tone} data-current={index === current || undefined}>
                  {line.at && (
                    <time className={classes.time} dateTime={line.at}>
                      {clock(line.at)}
                    </time>
                  )}
                  <span>{query === "" ? line.text : <Marked text={line.text} query={query} />}</span>
                </div>
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}

function Tool(props: { readonly label: string; readonly onClick: () => void; readonly icon: ReactNode; readonly pressed?: boolean }) {
  return (
    <Tooltip label={props.label}>
      <ActionIcon
        size={26}
        variant={props.pressed ? "light" : "subtle"}
        color={props.pressed ? undefined : "gray"}
        aria-label={props.label}
        aria-pressed={props.pressed}
        onClick={props.onClick}
      >
        {props.icon}
      </ActionIcon>
    </Tooltip>
  );
}

function StreamWord({
  state,
  paused,
  waiting,
}: {
  readonly state: FollowState | undefined;
  readonly paused: boolean;
  readonly waiting: number;
}) {
  const t = useTranslations("log");
  const text = useProblemText();
  if (paused) return <span className={classes.word}>{waiting > 0 ? t("pausedWaiting", { count: waiting }) : t("paused")}</span>;
  if (!state) return null;
  return (
    <span className={classes.word} data-kind={state.kind} role="status">
      {(state.kind === "refused" || state.kind === "reconnecting") && state.error?.problem.detail
        ? text(state.error.problem)
        : t(`stream.${state.kind}`)}
    </span>
  );
}

function Marked({ text, query }: { readonly text: string; readonly query: string }) {
  const parts: ReactNode[] = [];
  const lower = text.toLowerCase();
  const wanted = query.toLowerCase();
  let from = 0;
  for (let hit = lower.indexOf(wanted); hit >= 0; hit = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, hit), <mark key={hit}>{text.slice(hit, hit + wanted.length)}</mark>);
    from = hit + wanted.length;
  }
  return [...parts, text.slice(from)];
}

/** 19:57:03.123 in the reader's zone. */
function clock(at: string): string {
  const date = new Date(at);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
