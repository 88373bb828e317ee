// A worker without Node, for tests of its death: takes connections from the queue and, while the gate is
// open, from the listening socket, as a worker does, echoes a line, records the end in its page, and is
// killed by the kernel after some microseconds, whatever it is doing then.
//
// usage: doomed-worker MICROSECONDS (0: never); page, queue, bell and the listening socket are the
// descriptors 4 to 7
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

enum { PAGE = 4, QUEUE = 5, LISTENER = 7 };

// src/ipc/worker-page.ts
struct record {
  double id;
  uint32_t nonce;
  uint8_t step, reason;
  uint16_t endpoint;
  double taken_at_ms, ended_at_ms, bytes_in, bytes_out;
  char address[ADDRESS_BYTES];
};
enum { RING_AT = 128, RING_RECORDS = 4 * GRANT_SIZE, RING_BYTES = RING_RECORDS * sizeof(struct record) };

static double now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

// timer_create(2): the signal comes from the kernel, at any instant.
static void die_after(long microseconds) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
  struct itimerspec once = {.it_value = {microseconds / 1000000, microseconds % 1000000 * 1000}};
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 || timer_settime(timer, 0, &once, NULL) < 0)
    _exit(2);
}

static void record(char *page, const struct ticket *ticket, double taken_at_ms, double bytes) {
  _Atomic uint32_t *recorded = (_Atomic uint32_t *)(page + 12);
  uint32_t count = atomic_load(recorded);
  struct record *end = (struct record *)(page + RING_AT) + count % RING_RECORDS;
  *end = (struct record){.id = ticket->id,
                         .nonce = ticket->nonce,
                         .endpoint = (uint16_t)ticket->endpoint,
                         .taken_at_ms = taken_at_ms,
                         .ended_at_ms = now_ms(),
                         .bytes_in = bytes,
                         .bytes_out = bytes};
  atomic_store(recorded, count + 1);
}

// Returns how many bytes were echoed.
static ssize_t echo(int connection) {
  char line[1024];
  struct pollfd readable = {connection, POLLIN, 0};
  poll(&readable, 1, 1000);
  ssize_t count = recv(connection, line, sizeof line, 0);
  if (count > 0) send(connection, line, (size_t)count, MSG_NOSIGNAL);
  return count > 0 ? count : 0;
}

// Takes a connection from where that is to be done now; negative when there is none.
static int take(struct page_head *head) {
  static uint32_t accepted;
  int connection = receive_ticket(QUEUE, &head->ticket, &(struct iovec){0});
  if (connection < TAKE_NOBODY) _exit(3);
  bool is_open = *(volatile uint32_t *)&head->gate != 0;
  if (connection >= 0 || !is_open || accepted == *(volatile uint32_t *)&head->granted) return connection;
  connection = accept_granted(LISTENER, head->endpoints[0], accepted, head);
  if (connection >= 0) accepted += 1;
  return connection;
}

int main(int argc, char **argv) {
  char *page = mmap(NULL, RING_AT + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE, 0);
  if (argc != 2 || page == MAP_FAILED) return 2;
  struct page_head *head = (struct page_head *)page;
  long microseconds = atol(argv[1]);
  if (microseconds > 0) die_after(microseconds);
  struct pollfd sources[] = {{QUEUE, POLLIN, 0}, {LISTENER, POLLIN, 0}};
  for (;;) {
    int connection = take(head);
    if (connection < 0) {
      poll(sources, 2, 1);
      continue;
    }
    head->taken_at_ms = now_ms();
    double bytes = (double)echo(connection);
    record(page, &head->ticket, head->taken_at_ms, bytes);
    close(connection);
  }
}
