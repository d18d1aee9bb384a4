/** Every flag that all verbs take, with its variable and its default: what the help shows and what errors name. */

/** The values of the flags as they were typed, absent where a flag was not given. */
export interface FlagValues {
  readonly config?: string;
  readonly dataDir?: string;
  readonly tracker?: readonly string[];
  readonly listen?: string;
  readonly announce?: string;
  readonly peer?: readonly string[];
  readonly limitDown?: string;
  readonly limitUp?: string;
  readonly maxPeers?: string;
  readonly maxMemory?: string;
  readonly transport?: string;
  readonly quiet?: boolean;
  /** How often `-v` was given. */
  readonly verbose?: number;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly logFile?: string;
  readonly progress?: string;
  readonly json?: boolean;
  readonly color?: string;
}

/** One flag of all verbs. */
export interface Setting {
  readonly key: keyof FlagValues;
  /** As commander takes it: `-c, --config <file>`. */
  readonly flags: string;
  /** How the flag's value is collected. */
  readonly kind: "value" | "list" | "switch" | "count";
  readonly help: string;
  readonly variable?: string;
  /** The default in words. */
  readonly fallback?: string;
}

export const SETTINGS: readonly Setting[] = [
  {
    key: "config",
    flags: "-c, --config <file>",
    kind: "value",
    help: "JSON with self.service, self.host, self.port, tracker.host, tracker.port",
    variable: "PEER_CONFIG",
  },
  {
    key: "dataDir",
    flags: "--data-dir <dir>",
    kind: "value",
    help: "what is served and resumed is kept here; wins over self.service",
    variable: "PEER_DATA_DIR",
    fallback: "$XDG_DATA_HOME/peer",
  },
  {
    key: "tracker",
    flags: "--tracker <url>",
    kind: "list",
    help: "repeatable",
    variable: "PEER_TRACKER",
    fallback: "the torrent's own, else the config's, else http://localhost:5000",
  },
  {
    key: "listen",
    flags: "--listen <host:port>",
    kind: "value",
    help: "where other peers connect; port 0 is any free one",
    variable: "PEER_LISTEN",
    fallback: "[::]:0, or self.host:self.port",
  },
  {
    key: "announce",
    flags: "--announce <host:port>",
    kind: "value",
    help: "what the tracker tells others",
    variable: "PEER_ANNOUNCE",
    fallback: "the address the tracker sees and the port listened on",
  },
  {
    key: "peer",
    flags: "--peer <host:port>",
    kind: "list",
    help: "asked besides the tracker; repeatable",
    variable: "PEER_PEERS",
  },
  {
    key: "limitDown",
    flags: "--limit-down <rate>",
    kind: "value",
    help: "bytes a second: 64K 10M 1G are 1024-based",
    variable: "PEER_LIMIT_DOWN",
    fallback: "none",
  },
  {
    key: "limitUp",
    flags: "--limit-up <rate>",
    kind: "value",
    help: "bytes a second, as --limit-down",
    variable: "PEER_LIMIT_UP",
    fallback: "none",
  },
  {
    key: "maxPeers",
    flags: "--max-peers <n>",
    kind: "value",
    help: "connections a torrent",
    variable: "PEER_MAX_PEERS",
    fallback: "50",
  },
  {
    key: "maxMemory",
    flags: "--max-memory <size>",
    kind: "value",
    help: "all buffers together, 24M at least",
    variable: "PEER_MAX_MEMORY",
    fallback: "64M",
  },
  {
    key: "transport",
    flags: "--transport <mode>",
    kind: "value",
    help: "tls, or plain on a network that is trusted; both sides must say the same",
    variable: "PEER_TRANSPORT",
    fallback: "tls",
  },
  {
    key: "quiet",
    flags: "-q, --quiet",
    kind: "switch",
    help: "no progress, only warnings and errors",
  },
  { key: "verbose", flags: "-v, --verbose", kind: "count", help: "log debug; -vv logs trace" },
  {
    key: "logLevel",
    flags: "--log-level <level>",
    kind: "value",
    help: "error, warn, info, debug or trace",
    variable: "PEER_LOG_LEVEL",
    fallback: "info",
  },
  {
    key: "logFormat",
    flags: "--log-format <format>",
    kind: "value",
    help: "text or json",
    variable: "PEER_LOG_FORMAT",
    fallback: "text",
  },
  {
    key: "logFile",
    flags: "--log-file <file>",
    kind: "value",
    help: "logs are appended here",
    variable: "PEER_LOG_FILE",
    fallback: "standard error",
  },
  {
    key: "progress",
    flags: "--progress <mode>",
    kind: "value",
    help: "auto, bar, plain or none, on standard error",
    variable: "PEER_PROGRESS",
    fallback: "auto: a bar on a terminal, else a line every 30 s",
  },
  {
    key: "json",
    flags: "--json",
    kind: "switch",
    help: "results as JSON lines on standard output, or standard error beside a pipe",
    variable: "PEER_JSON",
  },
  {
    key: "color",
    flags: "--color <when>",
    kind: "value",
    help: "auto, always or never",
    variable: "NO_COLOR, CLICOLOR_FORCE",
    fallback: "auto",
  },
];
