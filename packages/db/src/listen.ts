import pg from "pg";

const RECONNECT_MS = 500;

/**
 * LISTEN on a connection of its own, reconnected for ever. After every (re)connect the callback gets each channel with payload
 * undefined: something may have been missed, so read again.
 */
export function listen(
  url: string,
  channels: readonly string[],
  onNotify: (channel: string, payload: string | undefined) => void,
): { close(): Promise<void> } {
  let closed = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;

  const reconnect = () => {
    if (closed || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      void open();
    }, RECONNECT_MS);
  };
  const open = async () => {
    const next = new pg.Client({ connectionString: url, keepAlive: true });
    client = next;
    next.on("error", reconnect);
    next.on("end", reconnect);
    next.on("notification", ({ channel, payload }) => onNotify(channel, payload));
    try {
      await next.connect();
      // Channel names are our own constants; LISTEN takes no parameters.
      for (const channel of channels) await next.query(`LISTEN ${next.escapeIdentifier(channel)}`);
      for (const channel of channels) onNotify(channel, undefined);
    } catch {
      reconnect();
    }
  };
  void open();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
