import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { REQUEST_BYTES_MAX } from "../../protocol/announce.ts";
import { ClientError } from "../errors.ts";

/** Reads a request's body as JSON of the given shape. The server bounds bodies too; this bound goes wherever the app goes.
 * Elysia could do this, but its report on a wrong value throws when that value cannot be made a string
 * (`{"hash":{"toString":0}}`), and it changes the schema that it is given.
 * @returns a value that fits the schema; what was sent beside its fields is still there
 * @throws {ClientError} unsupported_media_type, too_large (before more than that is kept), bad_json, bad_request */
export async function readBody<Schema extends TSchema>(
  request: Request,
  schema: Schema,
): Promise<Static<Schema>> {
  const [mediaType = ""] = (request.headers.get("content-type") ?? "").split(";");
  if (mediaType.trim().toLowerCase() !== "application/json") {
    throw new ClientError("unsupported_media_type");
  }
  const body = parseJson(await readBounded(request));
  if (!Value.Check(schema, body)) throw new ClientError("bad_request");
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ClientError("bad_json", { cause });
  }
}

/** What is no UTF-8 becomes U+FFFD, which no field of ours may have. */
async function readBounded(request: Request): Promise<string> {
  const length = request.headers.get("content-length");
  if (Number(length ?? 0) > REQUEST_BYTES_MAX) throw new ClientError("too_large");
  if (length !== null) return request.text();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > REQUEST_BYTES_MAX) throw new ClientError("too_large");
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
