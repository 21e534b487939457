import type { InstanceProgress, PushOutcome, PushProgress } from "../progress.ts";
import { BuildRenderer } from "./build.ts";
import { cleanLine, cleanLines, formatCount, formatDuration, shortCommit } from "./text.ts";

export interface PushHeading {
  readonly team: string;
  readonly namespace: string;
  readonly app: string;
  readonly commit: string;
  readonly subject: string;
}

/** How a push is answered: `reason` follows `! [remote rejected] main -> main` in brackets. */
export interface Verdict {
  readonly lines: readonly string[];
  readonly reason?: string;
}

/**
 * What a person sees during `git push`, as lines without the `remote: ` that git puts before them. State machine without I/O and
 * clock: same progress, same lines. One renderer per push and client.
 */
export class PushRenderer {
  readonly #heading: PushHeading;
  readonly #build = new BuildRenderer();
  #waiting: string | undefined;
  /** The release's command is running. */
  #command = false;
  /** Instances of the release that are not ready yet, and the width of the longest name. */
  #missing = 0;
  #nameWidth = 0;
  #section: "heading" | "build" | "release" = "heading";

  constructor(heading: PushHeading) {
    this.#heading = heading;
  }

  heading(): readonly string[] {
    const { team, namespace, app, commit, subject } = this.#heading;
    return [`Plimsoll · ${app} in ${team}/${namespace} · ${shortCommit(commit)} "${cleanLine(subject)}"`, ""];
  }

  /** The lines that `progress` completes; an outcome is rendered by `end`. */
  next(progress: Exclude<PushProgress, { type: "outcome" }>): readonly string[] {
    switch (progress.type) {
      case "build":
        this.#section = "build";
        return this.#build.next(progress.event);
      case "waiting": {
        if (this.#waiting === progress.reason) return [];
        this.#waiting = progress.reason;
        return [cleanLine(progress.reason)];
      }
      case "release": {
        const gap = this.#section === "heading" ? [] : [""];
        this.#section = "release";
        this.#missing = progress.processes.reduce((sum, process) => sum + process.replicas, 0);
        this.#nameWidth = Math.max(0, ...progress.processes.map(({ name, replicas }) => `${name}-${replicas}`.length));
        const processes = progress.processes.map(({ name, replicas }) => `${cleanLine(name)} ×${replicas}`);
        const changed = progress.changed.length > 0 ? [`changed: ${progress.changed.map(cleanLine).join(", ")}`] : [];
        return [...gap, [`Release v${progress.number}`, processes.join("  "), ...changed].join("   ")];
      }
      case "command":
        this.#command = progress.state === "running";
        if (progress.state === "running") return ["  release command  started"];
        return [
          ...progress.output.flatMap((line) => cleanLines(line)).map((line) => `    ${line}`),
          `  release command  done, ${formatDuration(progress.tookMs)}`,
        ];
      case "instance":
        return this.#instance(progress);
      case "drained": {
        const { requests } = progress;
        const counted = requests && ` · ${formatCount(requests.total)} requests meanwhile, ${formatCount(requests.failed)} failed`;
        return [`  v${progress.release} drained and stopped${counted ?? ""}`];
      }
      case "notice":
        return [`  ${cleanLine(progress.text)}`];
    }
  }

  /**
   * For a person who has seen nothing for `silentMs`: what is being done; empty when that is not known. `sinceToldMs`: since the last
   * progress, be it one that shows nothing.
   */
  idle({ silentMs, sinceToldMs }: { readonly silentMs: number; readonly sinceToldMs: number }): readonly string[] {
    const busy = this.#section === "build" ? this.#build.running(sinceToldMs) : [];
    if (busy.length > 0) return busy.map((step) => `  … ${step}`);
    const soFar = `${formatDuration(silentMs)} so far`;
    if (this.#command) return [`  … release command, ${soFar}`];
    if (this.#missing > 0) return [`  … ${this.#missing} not ready yet, ${soFar}`];
    return [];
  }

  /** The last lines, and why the branch does not move, if so. */
  end(outcome: PushOutcome): Verdict {
    const gap = this.#section === "heading" ? [] : [""];
    if (outcome.ok) {
      const url = outcome.url === undefined ? ", without a URL: no process of it has a port" : `  ${cleanLine(outcome.url)}`;
      return { lines: [...gap, `Live${url}     ${formatDuration(outcome.sincePushMs)} after push`] };
    }
    switch (outcome.kind) {
      case "build_failed":
        return {
          lines: [...gap, `Nothing was released; ${stays(outcome.liveRelease)}. Whole log: plim logs --build ${outcome.build}`],
          reason: "build failed",
        };
      case "never_ready": {
        const { liveRelease: live } = outcome;
        const rolledBack = live === undefined ? "Nothing is live yet." : `Rolled back: v${live} never stopped serving.`;
        return {
          lines: [`${rolledBack} Why: plim describe deployment ${outcome.deployment}`],
          reason: `release v${outcome.release} never became ready`,
        };
      }
      case "command_failed": {
        const kept = outcome.liveRelease === undefined ? "Nothing is live yet." : `v${outcome.liveRelease} never stopped serving.`;
        return {
          lines: [`Nothing of v${outcome.release} was started. ${kept} Why: plim describe deployment ${outcome.deployment}`],
          reason: "release command failed",
        };
      }
      case "quota_exceeded":
        return { lines: [...gap, ...cleanLines(outcome.message)], reason: "quota exceeded" };
      case "superseded": {
        const by = outcome.by === undefined ? "" : ` (${shortCommit(outcome.by.commit)} by ${cleanLine(outcome.by.pusher)})`;
        return { lines: [...gap, `A newer push${by} took over; this one is not deployed.`], reason: "superseded by a newer push" };
      }
      case "cancelled": {
        const by = outcome.by === undefined ? "" : ` by ${cleanLine(outcome.by)}`;
        return { lines: [...gap, `Cancelled${by}; ${stays(outcome.liveRelease)}.`], reason: "cancelled" };
      }
      case "failed":
        return { lines: [...gap, ...cleanLines(outcome.message), `${capitalized(stays(outcome.liveRelease))}.`], reason: "deploy failed" };
    }
  }

  /** The branch could not be moved although the release is live. */
  notMoved(branch: string, reason: string): Verdict {
    return { lines: ["", `The release is live, but ${cleanLine(branch)} was not moved: ${cleanLine(reason)}`], reason: cleanLine(reason) };
  }

  /** Nobody knows how it ends: the platform stopped telling. */
  lost(why: string): Verdict {
    const { team, namespace, app } = this.#heading;
    return {
      lines: [
        "",
        `Lost sight of this deploy: ${cleanLine(why)}`,
        `It goes on without you. See it: plim describe ${app} --namespace ${team}/${namespace}, or push again.`,
      ],
      reason: "lost sight of the deploy",
    };
  }

  #instance(progress: InstanceProgress): readonly string[] {
    const name = cleanLine(progress.name).padEnd(this.#nameWidth);
    if (progress.state === "ready") {
      this.#missing = Math.max(0, this.#missing - 1);
      const times = `started ${formatDuration(progress.startedMs)}, ready ${formatDuration(progress.readyMs)}`;
      return [`  ${name}  ${times} on ${cleanLine(progress.host)}`];
    }
    const indent = " ".repeat(name.length + 4);
    const lines = [`  ${name}  ${progress.started ? "started, " : ""}${cleanLine(progress.reason)}`];
    const tail = progress.logTail.flatMap((line) => cleanLines(line));
    if (tail.length > 0) lines.push(`${indent}last lines:`, ...tail.map((line) => `${indent}  ${line}`));
    if (progress.hint !== undefined) lines.push(`  ${"hint".padEnd(name.length)}  ${cleanLine(progress.hint)}`);
    return lines;
  }
}

function stays(release: number | undefined): string {
  return release === undefined ? "nothing is live yet" : `v${release} stays live`;
}

function capitalized(text: string): string {
  return /^v\d/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
