import type { SwarmEffect } from "../swarm/messages.ts";
import type { Connection } from "./connection.ts";

/** What the engine decides of one connection. */
export type ConnectionEffect = Extract<
  SwarmEffect,
  { readonly type: "send" | "serve" | "hold" | "unserve" | "close" }
>;

/** Carries an effect out on its connection.
 * @returns whether a run was taken back that was to be served */
export function carryOutOn(connection: Connection, effect: ConnectionEffect): boolean {
  switch (effect.type) {
    case "send":
      connection.tell(effect.message);
      return false;
    case "serve":
      connection.serve(effect.run, effect.blockBytes);
      return false;
    case "hold":
      connection.hold(effect.isHeld);
      return false;
    case "unserve":
      return connection.unserve(effect.run);
    case "close":
      connection.close(effect.reason);
      return false;
    default:
      return effect satisfies never;
  }
}
