// biome-ignore-all lint/suspicious/noTemplateCurlyInString: messages show words of Dockerfiles
import { ExpansionBudget } from "./budget.ts";
import { replaceGlob, trimGlob } from "./glob.ts";
import { WordError } from "./word-error.ts";

/** Where `$NAME` looks. */
export interface Variables {
  get(name: string): string | undefined;
}

export interface WordOptions {
  readonly escape: "\\" | "`";
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are characters like any other; the text between them is expanded. */
  readonly plainQuotes?: boolean;
  /** Variables without a value stay as written. */
  readonly keepUnset?: boolean;
  /** Shared by all expansions of a build; one of its own otherwise. */
  readonly budget?: ExpansionBudget;
}

/**
 * Takes away quotes and replaces variables in a word as BuildKit's shell lexer does: `$x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?w} ${x?w}
 * ${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/r} ${x//p/r}`. Spaces stay. Throws WordError.
 */
export function expandWord(text: string, variables: Variables, options: WordOptions): string {
  return new Lexer(text, variables, options).read("", options.rawEscapes ?? false).text;
}

/** The same, split at unquoted blanks after expansion; blanks around words go. */
export function expandWords(text: string, variables: Variables, options: WordOptions): readonly string[] {
  return new Lexer(text, variables, options).read("", options.rawEscapes ?? false).words;
}

/** Deeper nesting of `${a:-${b:-…}}` than anyone writes. */
const MAX_DEPTH = 64;
const SPECIAL = "@*#?-$!0";
const isLetter = (char: string) => /^\p{L}$/u.test(char);
const isDigit = (char: string) => /^\p{Nd}$/u.test(char);
export const isSpace = (char: string) => /^[\s\u0085]$/.test(char) && char !== "\uFEFF";

function unsetAdvice(name: string, value: string | undefined): string {
  return `is not allowed to be ${value === undefined ? "unset" : "empty"}; give it a value with ARG ${name}=… above, or when building`;
}

class WordList {
  readonly words: string[] = [];
  private buffer = "";

  addChar(char: string): void {
    if (!isSpace(char)) this.buffer += char;
    else this.flush();
  }
  addRaw(text: string): void {
    this.buffer += text;
  }
  addExpanded(text: string): void {
    for (const char of text) this.addChar(char);
  }
  flush(): readonly string[] {
    if (this.buffer !== "") this.words.push(this.buffer);
    this.buffer = "";
    return this.words;
  }
}

class Lexer {
  private readonly chars: readonly string[];
  private readonly variables: Variables;
  private readonly options: WordOptions;
  private readonly budget: ExpansionBudget;
  private position = 0;
  private depth = 0;
  private rawEscapes = false;

  constructor(text: string, variables: Variables, options: WordOptions) {
    this.chars = Array.from(text);
    this.variables = variables;
    this.options = options;
    this.budget = options.budget ?? new ExpansionBudget();
    this.budget.spend(this.chars.length);
  }

  /** Reads up to `stop` (consumed), or to the end when `stop` is empty. */
  read(stop: string, rawEscapes: boolean): { text: string; words: readonly string[] } {
    if (++this.depth > MAX_DEPTH)
      throw new WordError(`variables are nested more than ${MAX_DEPTH} deep; give the inner ones names of their own with ARG`);
    const outer = this.rawEscapes;
    this.rawEscapes = rawEscapes;
    try {
      return this.readUntil(stop);
    } finally {
      this.rawEscapes = outer;
      this.depth--;
    }
  }

  private readUntil(stop: string): { text: string; words: readonly string[] } {
    let text = "";
    const words = new WordList();
    for (let char = this.peek(); char !== undefined; char = this.peek()) {
      if (char === stop) {
        this.position++;
        return { text, words: words.flush() };
      }
      if (char === "$") {
        const value = this.readDollar();
        this.budget.spend(value.length);
        text += value;
        words.addExpanded(value);
      } else if (!this.options.plainQuotes && (char === "'" || char === '"')) {
        const value = char === "'" ? this.readSingleQuoted() : this.readDoubleQuoted();
        text += value;
        words.addRaw(value);
      } else if (char === "<") {
        const value = this.readAngle();
        text += value;
        words.addRaw(value);
      } else if (char === this.options.escape) {
        this.position++;
        if (this.rawEscapes) {
          text += char;
          words.addRaw(char);
        }
        const escaped = this.next();
        if (escaped === undefined) break;
        text += escaped;
        words.addRaw(escaped);
      } else {
        this.position++;
        text += char;
        words.addChar(char);
      }
    }
    if (stop !== "") throw new WordError(`it ends where a matching ${stop} is expected; add it`);
    return { text, words: words.flush() };
  }

  private readSingleQuoted(): string {
    const quote = this.options.rawQuotes ? "'" : "";
    this.position++;
    let text = quote;
    for (;;) {
      const char = this.next();
      if (char === undefined) throw new WordError("a single quote (') is never closed; close it, or write \\' where it is meant literally");
      if (char === "'") return text + quote;
      text += char;
    }
  }

  private readDoubleQuoted(): string {
    const quote = this.options.rawQuotes ? '"' : "";
    this.position++;
    let text = quote;
    for (;;) {
      const char = this.peek();
      if (char === undefined) throw new WordError('a double quote (") is never closed; close it, or write \\" where it is meant literally');
      if (char === "$") {
        const value = this.readDollar();
        this.budget.spend(value.length);
        text += value;
        continue;
      }
      this.position++;
      if (char === '"') return text + quote;
      if (char !== this.options.escape) {
        text += char;
        continue;
      }
      if (this.rawEscapes) text += char;
      const escaped = this.peek();
      if (escaped === undefined) continue;
      if (escaped === '"' || escaped === "$" || escaped === this.options.escape) {
        this.position++;
        text += escaped;
      } else {
        text += char; // Inside double quotes other characters keep their backslash.
      }
    }
  }

  /** `<<` swallows following blanks into its word so that `<< EOF` is seen as one heredoc word. */
  private readAngle(): string {
    this.position++;
    if (this.peek() !== "<") return "<";
    this.position++;
    let text = "<<";
    for (let char = this.peek(); char === "\t" || char === "\r" || char === " "; char = this.peek()) {
      text += char;
      this.position++;
    }
    return text;
  }

  private readDollar(): string {
    this.position++;
    if (this.peek() !== "{") {
      const name = this.readName();
      if (name === "") return "$";
      const value = this.variables.get(name);
      return value ?? (this.options.keepUnset ? `$${name}` : "");
    }
    this.position++;
    const first = this.peek();
    if (first === undefined) throw new WordError("${ is never closed; add the }");
    if (first === "{" || first === "}" || first === ":") throw new WordError("${…} needs a variable name, as in ${NAME}");
    const name = this.readName();
    const operator = this.next();
    switch (operator) {
      case undefined:
        throw new WordError("${ is never closed; add the }");
      case "}": {
        const value = this.variables.get(name);
        return value ?? (this.options.keepUnset ? `\${${name}}` : "");
      }
      case ":":
        return this.readModifier(name, this.next() ?? "", true);
      case "/":
        return this.readReplacement(name);
      default:
        return this.readModifier(name, operator, false);
    }
  }

  private readModifier(name: string, operator: string, emptyIsUnset: boolean): string {
    const written = `${emptyIsUnset ? ":" : ""}${operator}`;
    const isPattern = operator === "#" || operator === "%";
    if (!"+-?#%".includes(operator) || operator === "" || (emptyIsUnset && isPattern)) {
      throw new WordError(`\${${name}${written}…} is not supported; use :- - :+ + :? ? # ## % %% / or //`);
    }
    const { text: word } = this.read("}", isPattern);
    const value = this.variables.get(name);
    if (this.options.keepUnset && value === undefined) return `\${${name}${written}${word}}`;
    const isSet = value !== undefined && !(emptyIsUnset && value === "");
    switch (operator) {
      case "-":
        return isSet ? value : word;
      case "+":
        return isSet ? word : "";
      case "?":
        if (isSet) return value;
        throw new WordError(`${name}: ${word === "" ? "it" : `${word} – it`} ${unsetAdvice(name, value)}`);
      default: {
        const longest = word.startsWith(operator);
        return trimGlob(value ?? "", longest ? word.slice(1) : word, operator === "#" ? "start" : "end", longest, this.budget);
      }
    }
  }

  private readReplacement(name: string): string {
    const all = this.peek() === "/";
    if (all) this.position++;
    const { text: pattern } = this.read("/", true);
    const { text: replacement } = this.read("}", true);
    const value = this.variables.get(name);
    if (this.options.keepUnset && value === undefined) return `\${${name}/${pattern}/${replacement}}`;
    return replaceGlob(value ?? "", pattern, replacement, all, this.budget);
  }

  /** Letters, digits and `_`; a name that begins with a digit is a positional parameter; one special character is a name too. */
  private readName(): string {
    let name = "";
    for (let char = this.peek(); char !== undefined; char = this.peek()) {
      if (name === "" && isDigit(char)) {
        for (let digit = this.peek(); digit !== undefined && isDigit(digit); digit = this.peek()) {
          name += digit;
          this.position++;
        }
        return name;
      }
      if (name === "" && SPECIAL.includes(char)) {
        this.position++;
        return char;
      }
      if (!isLetter(char) && !isDigit(char) && char !== "_") break;
      name += char;
      this.position++;
    }
    return name;
  }

  private peek(): string | undefined {
    return this.chars[this.position];
  }

  private next(): string | undefined {
    return this.chars[this.position++];
  }
}
