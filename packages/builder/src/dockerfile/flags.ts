import { problemAt } from "../problem.ts";
import type { RawInstruction } from "./lines.ts";
import { nearest } from "./nearest.ts";

/** What a flag takes: one text, any number of texts, or true and false (bare: true). */
export type FlagKind = "text" | "texts" | "switch";

/** The flags of one instruction, read by what it knows. */
export class Flags {
  private readonly values: ReadonlyMap<string, readonly string[]>;

  private constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.values = values;
  }

  /** Throws BuildProblem for unknown flags, repeated ones and ones without the value they need. */
  static read(raw: RawInstruction, known: Readonly<Record<string, FlagKind>> = {}): Flags {
    const values = new Map<string, string[]>();
    for (const flag of raw.flags) {
      const equals = flag.indexOf("=");
      const name = flag.slice(2, equals < 0 ? undefined : equals);
      const kind = Object.hasOwn(known, name) ? known[name] : undefined;
      if (kind === undefined) throw unknown(raw, name, Object.keys(known));
      const before = values.get(name) ?? [];
      if (before.length > 0 && kind !== "texts") throw problemAt(raw.at, "dockerfile", `--${name} is given twice; remove one.`);
      if (equals < 0 && kind !== "switch") throw problemAt(raw.at, "dockerfile", `--${name} needs a value, as in --${name}=…`);
      const value = equals < 0 ? "true" : flag.slice(equals + 1);
      if (kind === "switch" && !/^(?:true|false)$/i.test(value)) {
        throw problemAt(raw.at, "dockerfile", `--${name} is true or false, not "${value.slice(0, 40)}"; write --${name} or remove it.`);
      }
      before.push(value);
      values.set(name, before);
    }
    return new Flags(values);
  }

  text(name: string): string | undefined {
    return this.values.get(name)?.[0];
  }

  texts(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** Undefined where it is not given. */
  switch(name: string): boolean | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : value.toLowerCase() === "true";
  }
}

function unknown(raw: RawInstruction, name: string, known: readonly string[]) {
  const meant = nearest(name, known);
  const all = known.length === 0 ? `${raw.keyword} takes no flags` : `${raw.keyword} takes ${known.map((one) => `--${one}`).join(", ")}`;
  const advice = meant === undefined ? all : `did you mean --${meant}? ${all}`;
  return problemAt(raw.at, "dockerfile", `--${name.slice(0, 40)} is no flag of ${raw.keyword}; ${advice}.`);
}
