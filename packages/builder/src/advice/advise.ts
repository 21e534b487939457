import type { BuildAdvice } from "@plimsoll/core";
import type { CopyInstruction, Instruction } from "../dockerfile/instruction.ts";
import type { StageSource } from "../dockerfile/parse.ts";
import { installerIn } from "./installers.ts";

/** What is known of a build once its image is made. */
export interface AdviceFacts {
  readonly file: string;
  /** The stages that were needed, as written; the last one became the image. */
  readonly stages: readonly StageSource[];
  /** Base images that were needed: as written, where. */
  readonly bases: readonly { readonly reference: string; readonly line: number }[];
  /** Who the image's program runs as; empty: root. */
  readonly user: string;
  readonly hasIgnoreFile: boolean;
  /** Files of the context, ignored ones left out; empty where they were not looked at. */
  readonly largestFiles: readonly { readonly path: string; readonly bytes: number }[];
  /** What steps added to the image. */
  readonly layers: readonly { readonly label: string; readonly line: number; readonly bytes: number }[];
}

const LARGE_FILE = 5_000_000;
const LARGE_LAYER = 150_000_000;
/** More is not read. */
const MOST_OF_A_KIND = 3;

/** What would make the next build faster, the image smaller or the app safer, most useful first. Pure. */
export function advise(facts: AdviceFacts): readonly BuildAdvice[] {
  return [...order(facts), ...largeFiles(facts), ...layers(facts), ...missingIgnore(facts), ...base(facts), ...user(facts)];
}

function* order({ file, stages }: AdviceFacts): Generator<BuildAdvice> {
  for (const { instructions } of stages) {
    const whole = instructions.findIndex(takesEverything);
    if (whole < 0) continue;
    for (const instruction of instructions.slice(whole + 1)) {
      const installer = instruction.type === "run" ? installerIn(commandOf(instruction)) : undefined;
      const copy = instructions[whole];
      if (installer === undefined || copy === undefined) continue;
      yield {
        about: "order",
        message: `Everything is copied in line ${copy.at.line}, above ${installer.command} in line ${instruction.at.line}.`,
        why: "Any change of any file installs all dependencies again.",
        fix: `COPY ${installer.files} ./ above ${installer.command}, and ${copy.at.instruction ?? "COPY . ."} below it`,
        file,
        line: copy.at.line,
      };
      break;
    }
  }
}

/** `COPY . .`, `ADD ./ /app`: of the context, without anything left out. */
function takesEverything(instruction: Instruction): instruction is Instruction & CopyInstruction {
  if (instruction.type !== "copy" && instruction.type !== "add") return false;
  if (instruction.type === "copy" && instruction.from !== undefined) return false;
  return instruction.sources.some((source) => [".", "./", "/", "*", "./*"].includes(source)) && instruction.exclude.length === 0;
}

function commandOf(instruction: Instruction & { readonly type: "run" }): string {
  const { command, heredocs } = instruction;
  return [command.form === "shell" ? command.line : command.argv.join(" "), ...heredocs.map(({ content }) => content)].join("\n");
}

function* largeFiles({ largestFiles, stages }: AdviceFacts): Generator<BuildAdvice> {
  if (!stages.some(({ instructions }) => instructions.some(takesEverything))) return;
  for (const { path, bytes } of largestFiles.filter((one) => one.bytes >= LARGE_FILE).slice(0, MOST_OF_A_KIND))
    yield {
      about: "context",
      message: `${path} has ${megabytes(bytes)} and goes into the build.`,
      why: "It is copied into a layer, and every host that runs the app keeps it.",
      fix: `echo ${shellWord(`/${path}`)} >> .dockerignore`,
    };
}

function* layers({ file, layers: added }: AdviceFacts): Generator<BuildAdvice> {
  const large = added.filter(({ bytes }) => bytes >= LARGE_LAYER).toSorted((a, b) => b.bytes - a.bytes);
  for (const { label, line, bytes } of large.slice(0, MOST_OF_A_KIND))
    yield {
      about: "layers",
      message: `${label} adds ${megabytes(bytes)} to the image.`,
      why: "Every host that runs the app fetches and keeps it.",
      fix: slimmer(label),
      file,
      line,
    };
}

function slimmer(label: string): string {
  if (/\bapt(?:-get)?\b.*\binstall\b/.test(label))
    return "apt-get install --no-install-recommends …, with && rm -rf /var/lib/apt/lists/* in the same RUN";
  if (/\bnpm (?:ci|i|install)\b/.test(label)) return "npm ci --omit=dev in the last stage; build in a stage of its own and COPY --from it";
  if (/\bpip3? install\b/.test(label)) return "pip install --no-cache-dir …, or RUN --mount=type=cache,target=/root/.cache/pip";
  return "build in a stage of its own, and COPY --from=<stage> only what runs";
}

function* missingIgnore({ hasIgnoreFile, stages }: AdviceFacts): Generator<BuildAdvice> {
  const copy = stages.flatMap(({ instructions }) => instructions).find(takesEverything);
  if (hasIgnoreFile || copy === undefined) return;
  yield {
    about: "ignore",
    message: `There is no .dockerignore, and line ${copy.at.line} copies everything that is committed.`,
    why: "A change of a README or a test makes every step below run again.",
    fix: "printf '%s\\n' '*.md' docs test .github > .dockerignore",
    file: ".dockerignore",
  };
}

function* base({ file, bases }: AdviceFacts): Generator<BuildAdvice> {
  for (const { reference, line } of bases.slice(0, MOST_OF_A_KIND)) {
    if (reference.includes("@")) continue;
    const tag = /:([^/:]+)$/.exec(reference)?.[1];
    if (tag !== undefined && tag !== "latest") continue;
    const name = reference.replace(/:latest$/, "");
    yield {
      about: "base",
      message: `FROM ${reference} takes whatever ${name} is today.`,
      why: "The same commit may build differently tomorrow, and a new major version comes unasked.",
      fix: `FROM ${name}:<version>, or FROM ${name}@sha256:<digest>`,
      file,
      line,
    };
  }
}

function* user({ file, stages, user: who }: AdviceFacts): Generator<BuildAdvice> {
  const name = who.split(":")[0] ?? "";
  if (name !== "" && name !== "root" && name !== "0") return;
  const last = stages.at(-1);
  if (last === undefined) return;
  const line = (last.instructions.at(-1) ?? last.from).at.line;
  yield {
    about: "user",
    message: "The program runs as root in its container.",
    why: "Whoever breaks into it may change every file of it and install what they like there.",
    fix: /^node\b/.test(last.from.base) ? "USER node above the CMD" : "USER 1000 above the CMD, after chown of what it writes",
    file,
    line,
  };
}

function megabytes(bytes: number): string {
  return bytes >= 999_500_000 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
