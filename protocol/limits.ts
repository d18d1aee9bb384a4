import { assert } from "./errors.ts";

/** Every limit of the wire and of the torrent file, each with its unit; at the end, the sums they must keep. */

const KIB = 1024;
const MIB = 1024 * KIB;

// The torrent file (SPEC.md §1).

/** Largest torrent file read, in bytes. */
export const TORRENT_BYTES_MAX = 64 * MIB;
/** Largest file a torrent may describe: 16 TiB. */
export const FILE_BYTES_MAX = 2 ** 44;
/** Largest part, in bytes. */
export const PART_BYTES_MAX = 16 * MIB;
/** Most parts a torrent may have. */
export const PARTS_MAX = 1_048_576;
/** Most values in a torrent's JSON: its parts, and room for everything else. */
export const TORRENT_VALUES_MAX = PARTS_MAX + 4096;
/** Deepest nesting of a torrent's JSON. */
export const TORRENT_DEPTH_MAX = 4;
/** Longest `Name`, in UTF-16 units. */
export const NAME_CHARS_MAX = 255;
/** Most `Trackers`, and the longest of them. */
export const TRACKERS_MAX = 16;
export const TRACKER_URL_CHARS_MAX = 2048;

// Frames (SPEC.md §3).

/** The fixed first bytes of a connection, each way. */
export const PREFACE_BYTES = 8;
/** `u32 body length | u16 header length` before every header. */
export const FRAME_PREFIX_BYTES = 6;
/** Largest msgpack header. */
export const HEADER_BYTES_MAX = 16 * KIB;
/** Largest raw payload of one frame. */
export const PAYLOAD_BYTES_MAX = MIB;
/** Largest body: its header length field, header and payload. */
export const BODY_BYTES_MAX = 2 + HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX;
/** All that a stranger may send before its proof has been seen, preface included. */
export const HANDSHAKE_BYTES_MAX = KIB;

// Messages (SPEC.md §4).

/** A span of small parts that is asked for at once has at most this many bytes (one part may have more): the first in a
 * small file, so that several peers find something to do, the second in a large one, and SPANS_WANTED between them. */
export const SPAN_BYTES_SMALL = 256 * KIB;
export const SPAN_BYTES_LARGE = MIB;
export const SPANS_WANTED = 256;
/** Requests one side may have open at the other. */
export const REQUESTS_OPEN_MAX = 256;
/** Addresses in one `peers` message. */
export const PEERS_PER_MESSAGE_MAX = 50;
/** Bits carried by one `bitmap` frame: the payload's limit in bits, more than the most parts. */
export const BITMAP_BITS_MAX = PAYLOAD_BYTES_MAX * 8;
/** Longest reason of `refuse` and `bye`, in bytes of UTF-8. */
export const REASON_BYTES_MAX = 255;

// What one process holds (SECURITY: every product is finite).

/** Connections of one torrent, unless `--max-peers` says otherwise. */
export const PEERS_PER_SWARM_DEFAULT = 50;
/** Bytes a connection's readable side buffers before it pauses the socket: little, so that a chunk is used while the
 * processor still has it at hand, and because a chunk more comes in any case. */
export const SOCKET_READ_BUFFER_BYTES = 64 * KIB;
/** The most a single read from a socket gives. */
export const SOCKET_CHUNK_BYTES_MAX = 512 * KIB;
/** What the buffers of a process take together, unless `--max-memory` says otherwise, in bytes; and the least that moves
 * parts of any size. */
export const MEMORY_BYTES_DEFAULT = 64 * MIB;
export const MEMORY_BYTES_MIN = 24 * MIB;
/** The least that a connection's sender reads from the file at once, however many connections there are. */
export const BLOCK_BYTES_MIN = 64 * KIB;
/** Blocks that a connection's sender holds: one is being written to the socket while the next is read. */
export const BLOCKS_PER_CONNECTION = 2;

/** @param memoryBytes for all buffers of the process
 * @returns bytes of it for what was asked for and is not written yet: three quarters */
export function arrivingBytesMax(memoryBytes: number): number {
  return Math.floor((memoryBytes * 3) / 4);
}

/** @param memoryBytes for all buffers of the process
 * @returns bytes of the block that each of so many that are sent something reads from a file at once: together the last
 * quarter, but never more than a payload, nor less than BLOCK_BYTES_MIN */
export function blockBytesFor(memoryBytes: number, senders: number): number {
  const share = Math.floor(memoryBytes / 4 / BLOCKS_PER_CONNECTION / Math.max(1, senders));
  return Math.min(PAYLOAD_BYTES_MAX, Math.max(BLOCK_BYTES_MIN, share));
}

/** @param bytesPerSecond what a limit of rate lets pass
 * @returns bytes that it lets pass at once at most, so that nobody waits long for his turn: a fraction of a second's worth */
export function pieceBytesFor(bytesPerSecond: number): number {
  return Math.max(4 * KIB, Math.floor(bytesPerSecond / 20));
}

assert(BITMAP_BITS_MAX >= PARTS_MAX, "A whole bitmap fits one frame");
assert(SPAN_BYTES_LARGE <= PAYLOAD_BYTES_MAX, "A span of small parts fits one frame");
assert(BODY_BYTES_MAX < 2 ** 32, "A body's length fits its field");
assert(HEADER_BYTES_MAX < 2 ** 16, "A header's length fits its field");
assert(arrivingBytesMax(MEMORY_BYTES_MIN) >= PART_BYTES_MAX, "The largest part can be under way");
assert(
  arrivingBytesMax(MEMORY_BYTES_DEFAULT) >= 2 * PART_BYTES_MAX,
  "By default two of the largest parts can be under way",
);
assert(FILE_BYTES_MAX <= Number.MAX_SAFE_INTEGER, "Offsets are exact integers");
assert(
  blockBytesFor(MEMORY_BYTES_DEFAULT, PEERS_PER_SWARM_DEFAULT) > 2 * BLOCK_BYTES_MIN,
  "A full swarm is served in blocks well above the smallest",
);
