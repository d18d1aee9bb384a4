/* Asks an HTTP server on this machine as fast as it answers, over some connections, and says how it went.
 *
 *   load PORT CONNECTIONS keep|close SECONDS once|cycle FILE
 *
 * FILE holds whole requests, each behind its length (u32, little-endian). They are sent in order, the next one on whichever
 * connection is free: each of them once, or from the beginning again and again. With `close` every request has a
 * connection of its own, and its time runs from the call to connect.
 *
 * After SECONDS nothing more is sent. What is under way then may still be answered; what is not within GRACE_US is an error,
 * as is everything when nothing at all comes for SILENCE_US. So it ends, whatever the server does.
 *
 * Answers need a Content-Length, or end with their connection. One line of JSON comes out; `load.ts` reads it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 65536, CONNECTIONS_MAX = 4096, EVENTS_MAX = 256, TICK_MS = 50 };
enum { BUCKET_US = 10, BUCKETS = 1000000 / BUCKET_US }; /* the last one holds all above a second */
static const int64_t GRACE_US = 2000000, SILENCE_US = 10000000;

typedef enum { CLOSED, CONNECTING, WAITING } State;

typedef struct {
  int fd;
  State state;
  int64_t asked_us;
  const char *request;
  uint32_t request_bytes;
  uint32_t got;
  uint32_t head_bytes; /* 0 until the empty line came */
  int64_t need;        /* of the whole answer; -1 when its end is the connection's */
  char answer[ANSWER_BYTES_MAX];
} Connection;

static Connection connections[CONNECTIONS_MAX];
static int connection_count, poller, is_closing, is_cycle;
static struct sockaddr_in server;

static const char *file, *cursor, *file_end;
static int is_over; /* nothing more is to be sent */

static uint32_t histogram[BUCKETS];
static int64_t answered, errors, non2xx, in_flight, max_us, last_us;

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

static void open_file(const char *path) {
  struct stat status;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &status) < 0) fail(path);
  file = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (file == MAP_FAILED) fail(path);
  close(fd);
  cursor = file;
  file_end = file + status.st_size;
}

/* Takes the next request; 0 when there is none left. */
static int take_request(Connection *connection) {
  if (cursor == file_end && is_cycle) cursor = file;
  if (is_over || cursor == file_end) return 0;
  uint32_t bytes;
  memcpy(&bytes, cursor, sizeof bytes);
  connection->request = cursor + sizeof bytes;
  connection->request_bytes = bytes;
  cursor += sizeof bytes + bytes;
  in_flight++;
  return 1;
}

static void watch(Connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(poller, operation, connection->fd, &event) < 0) fail("epoll_ctl");
}

static void hang_up(Connection *connection) {
  close(connection->fd);
  connection->state = CLOSED;
}

static void count_error(void) {
  errors++;
  in_flight--;
}

/* Sends the request that was taken. It is a few hundred bytes on an empty socket: what does not go at once is an error. */
static void send_request(Connection *connection) {
  connection->state = WAITING;
  connection->got = connection->head_bytes = 0;
  connection->need = -1;
  ssize_t sent = send(connection->fd, connection->request, connection->request_bytes, MSG_NOSIGNAL);
  if (sent == (ssize_t)connection->request_bytes) return;
  count_error();
  hang_up(connection);
}

/* Opens a connection for the next request, if there is one. */
static void call(Connection *connection) {
  if (!take_request(connection)) return;
  connection->asked_us = now_us();
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection->fd < 0) fail("socket");
  int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->state = CONNECTING;
  int result = connect(connection->fd, (struct sockaddr *)&server, sizeof server);
  if (result < 0 && errno != EINPROGRESS) {
    count_error();
    hang_up(connection);
  } else watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_connected(Connection *connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    count_error();
    hang_up(connection);
    return;
  }
  watch(connection, EPOLL_CTL_MOD, EPOLLIN);
  if (!is_closing) connection->asked_us = now_us();
  send_request(connection);
}

/* Counts a whole answer, and goes on with the connection or without it. */
static void on_answer(Connection *connection, int has_ended) {
  last_us = now_us();
  int64_t took_us = last_us - connection->asked_us;
  int64_t bucket = took_us / BUCKET_US;
  histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  if (took_us > max_us) max_us = took_us;
  answered++;
  in_flight--;
  /* HTTP/1.1 200: the status begins at the tenth byte. */
  if (connection->answer[9] != '2') non2xx++;
  if (is_closing || has_ended || !take_request(connection)) {
    hang_up(connection);
    return;
  }
  connection->asked_us = last_us;
  send_request(connection);
}

static void read_head(Connection *connection) {
  static const char NAME[] = "\r\ncontent-length:";
  connection->answer[connection->got] = 0;
  char *end = strstr(connection->answer, "\r\n\r\n");
  if (end == NULL || end - connection->answer < 12) return;
  connection->head_bytes = end - connection->answer + 4;
  char *length = strcasestr(connection->answer, NAME);
  if (length != NULL && length < end)
    connection->need = connection->head_bytes + atol(length + sizeof NAME - 1);
}

static void on_readable(Connection *connection) {
  uint32_t room = ANSWER_BYTES_MAX - 1 - connection->got;
  ssize_t got = recv(connection->fd, connection->answer + connection->got, room, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    /* The end: of an answer without a length, or too early; a full buffer reads as one too. */
    if (got == 0 && room > 0 && connection->head_bytes > 0 && connection->need < 0) {
      on_answer(connection, 1);
      return;
    }
    count_error();
    hang_up(connection);
    return;
  }
  connection->got += got;
  if (connection->head_bytes == 0) read_head(connection);
  if (connection->need >= 0 && connection->got >= connection->need) on_answer(connection, 0);
}

/* Runs until all is answered, the time is over, or the server has fallen silent. */
static void run(int64_t started_us, int64_t ends_us) {
  struct epoll_event events[EVENTS_MAX];
  last_us = started_us;
  for (;;) {
    int64_t time_us = now_us();
    if (time_us >= ends_us) is_over = 1;
    for (int at = 0; at < connection_count; at++)
      if (connections[at].state == CLOSED) call(&connections[at]);
    if (in_flight == 0 && (is_over || (cursor == file_end && !is_cycle))) return;
    if (time_us >= ends_us + GRACE_US || time_us - last_us >= SILENCE_US) return;
    int count = epoll_wait(poller, events, EVENTS_MAX, TICK_MS);
    for (int at = 0; at < count; at++) {
      Connection *connection = events[at].data.ptr;
      if (connection->state == CONNECTING) on_connected(connection);
      else if (connection->state == WAITING) on_readable(connection);
    }
  }
}

static int64_t quantile_us(double fraction) {
  int64_t wanted = answered * fraction, seen = 0;
  for (int bucket = 0; bucket < BUCKETS - 1; bucket++) {
    seen += histogram[bucket];
    if (seen > wanted) return bucket * BUCKET_US + BUCKET_US / 2;
  }
  return max_us;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **words) {
  if (count != 7) {
    fprintf(stderr, "usage: load PORT CONNECTIONS keep|close SECONDS once|cycle FILE\n");
    return 2;
  }
  server.sin_family = AF_INET;
  server.sin_port = htons(atoi(words[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connection_count = atoi(words[2]);
  if (connection_count < 1 || connection_count > CONNECTIONS_MAX) return 2;
  is_closing = strcmp(words[3], "close") == 0;
  is_cycle = strcmp(words[5], "cycle") == 0;
  open_file(words[6]);
  poller = epoll_create1(0);
  double before = cpu_seconds();
  int64_t started_us = now_us();
  run(started_us, started_us + (int64_t)(atof(words[4]) * 1e6));
  printf("{\"answered\":%ld,\"errors\":%ld,\"non2xx\":%ld,\"seconds\":%.6f,\"cpuSeconds\":%.6f,", answered,
         errors + in_flight, non2xx, (last_us - started_us) / 1e6, cpu_seconds() - before);
  printf("\"p50Us\":%ld,\"p99Us\":%ld,\"maxUs\":%ld}\n", quantile_us(0.5), quantile_us(0.99), max_us);
  return 0;
}
