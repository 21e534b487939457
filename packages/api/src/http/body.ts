import { AppError } from "@plimsoll/core";

/** Reads a JSON body of at most `limitBytes`, whatever its announced length. An empty body is undefined. */
export async function readJson(request: Request, limitBytes: number): Promise<unknown> {
  const bytes = await readBytes(request, limitBytes);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new AppError("invalid", "The body is not JSON; send it as application/json.", { cause });
  }
}

/** As readJson, as it came. */
export async function readBytes(request: Request, limitBytes: number): Promise<Buffer> {
  if (Number(request.headers.get("content-length") ?? 0) > limitBytes) throw tooLarge(limitBytes);
  if (request.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.length;
    if (length > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(limitBytes: number): AppError {
  return new AppError("invalid", `The body is larger than ${Math.floor(limitBytes / 1024)} KiB, the limit here; send less at a time.`);
}
