/** The figures of the tracker's HTTP API, for those that need no schema of it. */

/** Longest host a caller may send: RFC 1035's limit of a domain name. */
export const HOST_CHARS_MAX = 253;
/** Most peers one answer may carry; more is a broken tracker. */
export const ANSWER_PEERS_MAX = 1000;
/** Most peers this tracker puts into one answer. */
export const HANDOUT_PEERS_MAX = 50;
/** Most peers that one announce vouches for. */
export const REACHED_PEERS_MAX = 8;
/** Largest request body of the API, in bytes. */
export const REQUEST_BYTES_MAX = 4096;

/** A uuid, in either case; `urn:uuid:` is refused. */
export const SWARM_HASH_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
