import type { RegistryImageOut } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core/errors";
import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { ask } from "../input.ts";
import { placeName } from "../place.ts";
import { age, plain, size, table } from "../render.ts";

export const images: Run = async (call) => {
  const { team, namespace } = await call.place();
  const app = call.argument("app");
  const client = await call.client();
  const query = app === undefined ? {} : { app };
  const found = await client.call("GET /api/v1/namespaces/:team/:namespace/images", { params: { team, namespace }, query });
  call.show(found, () => {
    const { items, registry, usedBytes, limitBytes } = found;
    const used = `${size(usedBytes)} of ${size(limitBytes)} used in the registry`;
    const repository = `${registry}/${team}/${namespace}/${app ?? "<app>"}`;
    if (items.length === 0) return `No image in ${placeName({ team, namespace })} yet: docker push ${repository}:<tag>`;
    return [table(items.map(imageRow), ["IMAGE", "WHAT", "AGE", "SIZE", "DIGEST"]), "", `${used}   docker pull ${repository}:<tag>`].join(
      "\n",
    );
  });
};

export const imagesSearch: Run = async (call) => {
  const text = call.argument("text") ?? "";
  const found = await (await call.client()).call("GET /api/v1/images", { query: { search: text } });
  call.show(found.items, () => {
    if (found.items.length === 0) return `No image that you reach has \`${plain(text)}\` in its name or tag.`;
    const rows = found.items.map((image) => [plain(image.reference), ...imageRow(image).slice(1)]);
    return table(rows, ["IMAGE", "WHAT", "AGE", "SIZE", "DIGEST"]);
  });
};

export const imagesDelete: Run = async (call) => {
  const named = call.argument("image") ?? "";
  const { app, reference } = parseImage(named);
  const { team, namespace } = await call.place();
  if (!call.has("yes")) {
    if (!process.stdin.isTTY)
      throw usageError(`Deleting ${named} is not undone; without a terminal to ask on, say --yes.`, "images delete");
    call.note(`This removes ${app}:${reference} from the registry of ${placeName({ team, namespace })}. What runs goes on.`);
    if ((await ask(`Type ${reference} to go on: `, { instead: "--yes", command: "images delete" })).trim() !== reference)
      throw new AppError("invalid", "Nothing was done.");
  }
  const client = await call.client();
  const params = { team, namespace, app, reference };
  const deleted = await client.call("DELETE /api/v1/namespaces/:team/:namespace/apps/:app/images/:reference", { params });
  call.show(deleted, () => `Deleted: ${deleted.tags.map((tag) => `${app}:${plain(tag)}`).join(", ")}. Its bytes go within a day.`);
};

/** `shop:1.4`, `shop@sha256:…`. */
function parseImage(text: string): { readonly app: string; readonly reference: string } {
  const [, app, , tag, digest] = /^([a-z0-9-]+)(?:(:)([\w][\w.-]{0,127})|@(sha256:[0-9a-f]{64}))$/.exec(text) ?? [];
  const reference = tag ?? digest;
  if (app !== undefined && reference !== undefined) return { app, reference };
  throw usageError(`\`${plain(text)}\` names no image; write shop:1.4 or shop@sha256:…, as \`plim images\` lists them.`, "images delete");
}

function imageRow({ app, tag, kind, release, createdAt, sizeBytes, digest }: RegistryImageOut): readonly string[] {
  const what =
    kind === "pushed" ? "pushed" : kind === "release" ? "release" : `v${release}, ${kind === "commit" ? "its commit" : "git tag"}`;
  const shown = kind === "commit" ? tag.slice(0, 12) : tag;
  return [`${plain(app)}:${plain(shown)}`, what, age(createdAt), size(sizeBytes), digest?.slice(7, 19) ?? "–"];
}
