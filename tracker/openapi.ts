import type { TSchema } from "@sinclair/typebox";
import { Elysia } from "elysia";
import {
  ErrorResponse,
  HashRequest,
  HashResponse,
  PeersRequest,
  PeersResponse,
  StatsResponse,
} from "../protocol/announce.ts";

/** The API's description, OpenAPI 3.1, made of the schemas by which requests are checked. */

export interface OpenApiOptions {
  /** As in package.json. */
  readonly version: string;
  /** Whether there is a `GET /metrics`. */
  readonly hasMetrics: boolean;
}

const SCHEMAS: Readonly<Record<string, TSchema>> = {
  HashRequest,
  HashResponse,
  PeersRequest,
  PeersResponse,
  StatsResponse,
  ErrorResponse,
};

/** Each answer has it, so that who runs the tracker finds the request in the log. */
const HEADERS = {
  "x-request-id": { description: "The request's name in the log", schema: { type: "string" } },
};

/** The call that gives the description; the same bytes each time. */
export function openApiRoute(options: OpenApiOptions): Elysia {
  const text = JSON.stringify(describeApi(options));
  const routes = new Elysia();
  routes.get("/openapi", ({ set }) => {
    set.headers["content-type"] = "application/json;charset=utf-8";
    return text;
  });
  return routes;
}

/** @returns an OpenAPI document, as JSON */
export function describeApi({ version, hasMetrics }: OpenApiOptions): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "tracker",
      version,
      description: "Introduces peers that have a file to peers that want it.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths: {
      ...peerPaths(),
      ...operatorPaths(),
      ...(hasMetrics ? { "/metrics": { get: METRICS } } : {}),
    },
    components: { schemas: SCHEMAS },
  };
}

function peerPaths(): object {
  const refusals = {
    400: refusal("The body is not JSON, or not of this form"),
    413: refusal("The body is too large"),
    415: refusal("The body is not application/json"),
    ...failures(),
  };
  return {
    "/hash": {
      post: {
        operationId: "register",
        summary: "Make a swarm; the caller is its first peer and has the whole file.",
        requestBody: { required: true, content: json("HashRequest") },
        responses: { 200: answer("The new swarm", "HashResponse"), ...refusals },
      },
    },
    "/peers": {
      post: {
        operationId: "announce",
        summary: "Be there, or go, and hear of other peers of a swarm.",
        requestBody: { required: true, content: json("PeersRequest") },
        responses: {
          200: answer("Other peers, a random sample", "PeersResponse"),
          404: refusal("The swarm is unknown; a caller with `left: 0` makes it known again"),
          ...refusals,
        },
      },
    },
  };
}

function operatorPaths(): object {
  return {
    "/ready": {
      get: {
        operationId: "ready",
        summary: "Whether requests are taken.",
        responses: { 200: text("It is", { const: "I am ready" }), ...failures() },
      },
    },
    "/stats": {
      get: {
        operationId: "stats",
        summary: "Totals of all swarms, at most a second old.",
        responses: { 200: answer("Totals", "StatsResponse"), ...failures() },
      },
    },
    "/openapi": {
      get: {
        operationId: "describe",
        summary: "This description.",
        responses: {
          200: {
            description: "An OpenAPI document",
            headers: HEADERS,
            content: { "application/json": { schema: { type: "object" } } },
          },
          ...failures(),
        },
      },
    },
  };
}

const METRICS = {
  operationId: "metrics",
  summary: "Totals for Prometheus, in its text format.",
  responses: { 200: text("All figures", { type: "string" }), ...failures() },
};

function failures(): object {
  return {
    429: later(
      "The caller's network asks too often, or has made too many swarms, or there are too many",
    ),
    500: refusal("A fault of the tracker"),
    503: later("The tracker is busy"),
  };
}

function later(description: string): object {
  const schema = { type: "integer", minimum: 0 };
  const headers = { ...HEADERS, "retry-after": { description: "Seconds to wait", schema } };
  return { ...refusal(description), headers };
}

function refusal(description: string): object {
  return answer(description, "ErrorResponse");
}

function answer(description: string, schema: string): object {
  return { description, headers: HEADERS, content: json(schema) };
}

function text(description: string, schema: object): object {
  return { description, headers: HEADERS, content: { "text/plain": { schema } } };
}

function json(schema: string): object {
  return { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } };
}
