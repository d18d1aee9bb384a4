/** The figures that decide how a swarm behaves. They are given to the engine, so that a simulation can switch a mechanism
 * off and show what it was worth; everybody else uses `RULES`. */
export interface Rules {
  /** A peer is asked for as much as it delivers in this time, in milliseconds. */
  readonly depthMs: number;
  /** While a limit of our own sets the pace, as much may be under way as it lets pass in this time, in milliseconds;
   * infinity is any amount. */
  readonly paceMs: number;
  /** What a peer owes is moved to one that has it and would deliver so many times sooner. */
  readonly takeOverFactor: number;
  /** While as much comes as this share of the most that came lately, our own line is what sets the pace: what has begun to come
   * is not taken from anybody, and nothing is asked for twice; infinity is never. */
  readonly fullShare: number;
  /** Further peers that a part is asked of when nothing else is left to ask for. */
  readonly duplicatesMax: number;
  /** How few and how many peers are served at a time, and how many at most as long as only the line is known. */
  readonly slotsFirst: number;
  readonly slotsMin: number;
  readonly slotsMax: number;
  /** What is sent to a peer may wait so long on its way, in milliseconds; infinity is any time. */
  readonly sendWindowMs: number;
  /** The same while something comes to ourselves: what waits on our line holds up our acknowledgements, and with them what
   * comes. */
  readonly duplexWindowMs: number;
  /** Whether, of all that is asked of us, what we sent least often goes first. */
  readonly servesRarestFirst: boolean;
  /** Whether those who called us are asked for parts, too, not only those whom we called. */
  readonly asksCallers: boolean;
  /** The share of all places that callers get while we want something. */
  readonly callersShare: number;
  /** One that gave nothing for so long, in milliseconds, loses its place when others could be called instead. */
  readonly giveUpMs: number;
  /** How often a peer is told of others, in milliseconds; infinity is never. */
  readonly exchangeMs: number;
}

export const RULES: Rules = {
  depthMs: 1000,
  paceMs: 4000,
  takeOverFactor: 3,
  fullShare: 0.5,
  duplicatesMax: 2,
  slotsFirst: 4,
  slotsMin: 1,
  slotsMax: 64,
  sendWindowMs: 250,
  duplexWindowMs: 50,
  servesRarestFirst: true,
  asksCallers: true,
  callersShare: 0.75,
  giveUpMs: 30_000,
  exchangeMs: 30_000,
};
