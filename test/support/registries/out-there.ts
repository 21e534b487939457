import { createServer, type RequestListener } from "node:http";
import { run } from "@plimsoll/exec";
import { inNetworkNamespace } from "@plimsoll/host";
import { insidePlatform, type Platform } from "../platform.ts";

const NETNS = "plim-test-index";
const LINK = "plimtestidx";
/** Of a block that is for documentation (RFC 5737): builds reach it as they reach the internet. A small net: others of it may be somebody's. */
const ADDRESS = "198.51.100.130";
const GATEWAY = "198.51.100.129";
const PORT = 8000;

/** A web server out in the world, as the platform's builds see it. */
export interface OutThere extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
}

/** Takes away what a killed run left first. */
export async function serveOutThere(platform: Platform, listener: RequestListener): Promise<OutThere> {
  const ip = (words: string, okCodes: readonly number[] = [0]) => run(insidePlatform(platform, ["ip", ...words.split(" ")]), { okCodes });
  const remove = async () => {
    await ip(`link del ${LINK}`, [0, 1]);
    await ip(`netns del ${NETNS}`, [0, 1]);
  };
  await remove();
  await ip(`netns add ${NETNS}`);
  await ip(`link add ${LINK} type veth peer name eth0 netns ${NETNS}`);
  for (const words of [`addr add ${GATEWAY}/30 dev ${LINK}`, `link set ${LINK} up`]) await ip(words);
  for (const words of [`addr add ${ADDRESS}/30 dev eth0`, "link set eth0 up", "link set lo up"]) await ip(`-n ${NETNS} ${words}`);
  const server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    inNetworkNamespace(`/run/netns/${NETNS}`, () => server.listen(PORT, resolve));
  });
  return {
    host: ADDRESS,
    url: `http://${ADDRESS}:${PORT}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await remove();
    },
  };
}
