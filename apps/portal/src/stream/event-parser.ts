/** One server-sent event. `id` is the last one seen on the stream, as the standard has it: it also holds for later events. */
export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/**
 * Parses `text/event-stream` (WHATWG HTML, section 9.2.6) fed in pieces of any size. Unlike the standard it also delivers a named
 * event without data, so that a bare `event: end` is seen. Comments are dropped.
 */
export function createEventParser(onEvent: (event: ServerEvent) => void): (chunk: string) => void {
  let rest = "";
  let id = "";
  let event = "";
  let data: string[] = [];
  let endedWithReturn = false;

  const takeLine = (line: string): void => {
    if (line === "") {
      if (data.length > 0 || event !== "") onEvent({ id, event: event || "message", data: data.join("\n") });
      event = "";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id" && !value.includes("\0")) id = value;
  };

  return (chunk) => {
    let text = rest + chunk;
    // A "\r\n" may be cut between two pieces: its "\n" is no line of its own.
    if (endedWithReturn && rest === "" && text.startsWith("\n")) text = text.slice(1);
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code !== 10 && code !== 13) continue;
      takeLine(text.slice(from, at));
      if (code === 13 && text.charCodeAt(at + 1) === 10) at++;
      from = at + 1;
    }
    if (text !== "") endedWithReturn = text.endsWith("\r");
    rest = text.slice(from);
  };
}
