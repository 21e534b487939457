export interface SseMessage {
  readonly id?: string;
  readonly event?: string;
  readonly data: unknown;
}

/** Reads server-sent events of an answer one by one; comments are counted. */
export function readSse(response: Response) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let comments = 0;
  let ended = false;

  async function next(timeoutMs = 10_000): Promise<SseMessage | "end" | "timeout"> {
    for (;;) {
      const at = text.indexOf("\n\n");
      if (at < 0) {
        if (ended) return "end";
        const read = await Promise.race([pull(), new Promise<"timeout">((resolve) => setTimeout(resolve, timeoutMs, "timeout"))]);
        if (read === "timeout") return "timeout";
        continue;
      }
      const message = parse(text.slice(0, at));
      text = text.slice(at + 2);
      if (message === undefined) comments++;
      else return message;
    }
  }

  let pending: Promise<void> | undefined;
  function pull(): Promise<void> {
    pending ??= reader.read().then(({ done, value }) => {
      pending = undefined;
      if (done) ended = true;
      else text += decoder.decode(value, { stream: true });
    });
    return pending;
  }

  return { next, comments: () => comments, cancel: () => reader.cancel() };
}

function parse(block: string): SseMessage | undefined {
  const fields = block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()] as const);
  const value = (name: string) => fields.find(([key]) => key === name)?.[1];
  const data = value("data");
  if (data === undefined) return undefined;
  const [id, event] = [value("id"), value("event")];
  return { ...(id === undefined ? {} : { id }), ...(event === undefined ? {} : { event }), data: JSON.parse(data) };
}
