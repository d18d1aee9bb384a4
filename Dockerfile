# The tracker in a container; with --target peer, the peer.
#   docker build -t tracker .
#   docker run --read-only --tmpfs /tmp:exec --cap-drop ALL --security-opt no-new-privileges \
#     -p 5000:5000 -v tracker-data:/data tracker

FROM oven/bun:1.4.5-debian AS build
WORKDIR /build
COPY package.json bun.lock ./
RUN bun install --frozen-lockfile --ignore-scripts
COPY build.ts tsconfig.json ./
COPY protocol ./protocol
COPY migrations ./migrations
COPY peer ./peer
COPY tracker ./tracker
RUN bun build.ts && mkdir -m 700 /data

FROM debian:12.12-slim AS base
# The first would make another program of the executables; from the second the tracker loads its database driver.
ENV BUN_OPTIONS="" \
    TMPDIR=/tmp
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
VOLUME /data
STOPSIGNAL SIGTERM

FROM base AS peer
ENV PEER_DATA_DIR=/data \
    PEER_LISTEN=[::]:6000
COPY --from=build /build/dist/peer /usr/local/bin/peer
EXPOSE 6000
# A peer serves whoever holds its torrents, and nobody else may ask how it is: that the process runs is all there is to see.
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/peer"]
CMD ["serve"]

FROM base AS tracker
ENV TRACKER_HOST=0.0.0.0 \
    TRACKER_PORT=5000 \
    TRACKER_DB_URL=file:/data/tracker.db \
    TRACKER_LOG_FORMAT=json
COPY --from=build /build/dist/tracker /usr/local/bin/tracker
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/tracker", "check", "http://127.0.0.1:5000", "--ready", "--timeout", "3s"]
ENTRYPOINT ["/usr/local/bin/tracker"]
