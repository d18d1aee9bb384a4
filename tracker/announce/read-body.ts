import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { REQUEST_BYTES_MAX } from "../../protocol/announce-limits.ts";
import { ClientError } from "../errors.ts";

/** Reads the body of a request.
 * @returns a value that fits the schema; what was sent beside its fields is still there
 * @throws {ClientError} unsupported_media_type, too_large (before more than that is kept), bad_json, bad_request */
export type ReadBody<Schema extends TSchema> = (request: Request) => Promise<Static<Schema>>;

/** Makes the function that reads bodies of the given shape as JSON. The server bounds bodies too; this bound goes wherever the app goes.
 * Elysia could do this, but its report on a wrong value throws when that value cannot be made a string
 * (`{"hash":{"toString":0}}`), and it changes the schema that it is given. To make it makes code from text, which an edge host allows at
 * the start only. */
export function createBodyReader<Schema extends TSchema>(schema: Schema): ReadBody<Schema> {
  const compiled = TypeCompiler.Compile(schema);
  return async (request) => {
    if (!isJson(request.headers.get("content-type") ?? "")) {
      throw new ClientError("unsupported_media_type");
    }
    const body = parseJson(await readBounded(request));
    if (!compiled.Check(body)) throw new ClientError("bad_request");
    return body;
  };
}

function isJson(contentType: string): boolean {
  if (contentType === JSON_TYPE) return true;
  const [mediaType = ""] = contentType.split(";");
  return mediaType.trim().toLowerCase() === JSON_TYPE;
}

const JSON_TYPE = "application/json";

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
