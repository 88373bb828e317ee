// A worker's place at the queue and at the listening sockets: takes a connection when it is free, one
// at a time, and moves that connection's bytes.
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "uv-declarations.h"

static char consumer_tag;

// What `onEvent` is called with.
enum { READABLE = 1, WRITABLE = 2, RUNG = 4, HANGUP = 8, ARRIVED = 16 };

// How many connections may be in their closing handshake at a time; beyond that, the oldest is
// dropped.
#define MOST_LINGERING 512

struct consumer {
  void *tag;
  napi_env env;
  napi_ref on_event;
  struct page_head *page;
  int queue;
  // Has the bell and, once it must be waited for, the connection: both edge-triggered (epoll(7)),
  // so that neither needs a call to calm it down.
  int epoll;
  uv_handle_t *poll;
  // The event loop's own. It has the listening sockets while this process waits for one to have a
  // connection, under the descriptor of the epoll above, so that `poll` is called for them. There alone,
  // EPOLLEXCLUSIVE tells which process waits: one connection then wakes one process.
  int loop;
  bool is_at_gate;
  int listeners[MOST_LISTENERS];
  unsigned listener_count;
  // Which ones: as in the page.
  uint32_t listeners_number;
  // At which of them it looks first: they take turns.
  unsigned next_listener;
  // How many connections it has accepted by itself.
  uint32_t accepted;
  // When the gate was opened for this time, others were still in the queue; by now, they are not.
  uint32_t emptied_for;
  // -1 while there is none.
  int connection;
  // A connection that is over on both sides, still open so that a descriptor is free once it is closed;
  // -1 while there is none.
  int spare;
  // Tells events of this connection from those of one before it.
  uint32_t number;
  bool is_watched;
  // Sent with MSG_MORE and nothing since.
  bool is_held_back;
  struct {
    int fd;
    double due_ms;
  } lingering[MOST_LINGERING];
  // The oldest one, and how many there are.
  unsigned first, count;
};

static double now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

// How far the wall clock may run ahead of the monotonic one, which stands still while the machine
// is suspended: src/lease/validity.ts.
#define TOLERANCE_MS 250

// Whether a connection may be taken now: the primary's lease may have run out, and the primary may
// be unable to say so.
static bool is_permitted(const struct page_head *page) {
  // Each is read once: another process writes them.
  double until_ms = *(const volatile double *)&page->permit_until_ms;
  double ahead_ms = *(const volatile double *)&page->wall_ahead_ms;
  if (until_ms == INFINITY) return true;
  double now = now_ms();
  return now < until_ms && clock_ms(CLOCK_REALTIME) - now - ahead_ms <= TOLERANCE_MS;
}

static struct consumer *consumer_of(napi_env env, napi_value value) {
  void *data;
  return external_of(env, value, &consumer_tag, &data) ? data : NULL;
}

// The consumer of a function that takes no other argument.
static struct consumer *only_consumer(napi_env env, napi_callback_info info) {
  napi_value args[1];
  return args_of(env, info, 1, args) ? consumer_of(env, args[0]) : NULL;
}

// Waits for connections at the listening sockets (epoll_ctl(2), EPOLLEXCLUSIVE, which not every stand-in for
// Linux has; without it, one connection wakes all that wait).
static void wait_at_gate(struct consumer *consumer) {
  if (consumer->is_at_gate) return;
  consumer->is_at_gate = true;
  struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = consumer->epoll};
  for (unsigned at = 0; at < consumer->listener_count; at++) {
    if (epoll_ctl(consumer->loop, EPOLL_CTL_ADD, consumer->listeners[at], &event) == 0 || errno != EINVAL)
      continue;
    event.events = EPOLLIN;
    epoll_ctl(consumer->loop, EPOLL_CTL_ADD, consumer->listeners[at], &event);
  }
}

static void leave_gate(struct consumer *consumer) {
  if (!consumer->is_at_gate) return;
  consumer->is_at_gate = false;
  for (unsigned at = 0; at < consumer->listener_count; at++)
    epoll_ctl(consumer->loop, EPOLL_CTL_DEL, consumer->listeners[at], NULL);
}

static void on_ready(uv_handle_t *handle, int status, int events) {
  (void)status;
  (void)events;
  struct consumer *consumer = handle->data;
  struct epoll_event ready[4];
  int32_t what = 0;
  int count = epoll_wait(consumer->epoll, ready, 4, 0);
  for (int at = 0; at < count; at++) {
    if (ready[at].data.u64 == 0)
      what |= RUNG;
    else if (ready[at].data.u64 == consumer->number && consumer->connection >= 0) {
      if (ready[at].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) what |= READABLE;
      if (ready[at].events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) what |= WRITABLE;
      if (ready[at].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) what |= HANGUP;
    }
  }
  if (consumer->is_at_gate && consumer->connection >= 0)
    leave_gate(consumer);
  else if (consumer->is_at_gate && count == 0)
    what = ARRIVED;
  if (what != 0) call_back(consumer->env, consumer->on_event, what);
}

// openConsumer(queue, page, bell, pageBytes, onEvent): { consumer, memory }, or -errno.
static napi_value open_consumer(napi_env env, napi_callback_info info) {
  napi_value args[5], result, external;
  napi_valuetype type;
  int queue, page, bell;
  int64_t bytes;
  uv_loop_t *loop;
  if (!args_of(env, info, 5, args) || !fd_of(env, args[0], &queue) || !fd_of(env, args[1], &page) ||
      !fd_of(env, args[2], &bell))
    return NULL;
  if (!whole_of(env, args[3], sizeof(struct page_head), 1 << 24, &bytes)) return NULL;
  if (napi_typeof(env, args[4], &type) != napi_ok || type != napi_function)
    return refuse(env, "not a function");
  if (napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop) != napi_ok)
    return refuse(env, "no event loop");
  struct consumer *consumer = calloc(1, sizeof *consumer);
  if (consumer == NULL) return number_value(env, -ENOMEM);
  *consumer = (struct consumer){.tag = &consumer_tag,
                        .env = env,
                        .queue = queue,
                        .loop = uv_backend_fd(loop),
                        .connection = -1,
                        .spare = -1,
                        .poll = calloc(1, uv_handle_size(UV_POLL))};
  consumer->page = map_page(page, (size_t)bytes);
  int failure = consumer->page == NULL ? errno : 0;
  consumer->epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event rung = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};
  if (failure == 0 && (consumer->epoll < 0 || epoll_ctl(consumer->epoll, EPOLL_CTL_ADD, bell, &rung) < 0))
    failure = errno;
  if (failure == 0 && (consumer->poll == NULL || uv_poll_init(loop, consumer->poll, consumer->epoll) < 0))
    failure = ENOMEM;
  if (failure != 0) {
    if (consumer->page != NULL) munmap(consumer->page, (size_t)bytes);
    if (consumer->epoll >= 0) close(consumer->epoll);
    free(consumer->poll);
    free(consumer);
    return number_value(env, -failure);
  }
  consumer->poll->data = consumer;
  napi_create_reference(env, args[4], 1, &consumer->on_event);
  uv_poll_start(consumer->poll, UV_READABLE, on_ready);
  // Waiting for a connection keeps no process running.
  uv_unref(consumer->poll);
  // A process has a consumer until it ends.
  napi_create_external(env, consumer, NULL, NULL, &external);
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "consumer", external);
  napi_value memory = memory_value(env, consumer->page, (size_t)bytes);
  // It is unmapped when it is collected, and the consumer needs it.
  napi_ref kept;
  if (memory != NULL) napi_create_reference(env, memory, 1, &kept);
  napi_set_named_property(env, result, "memory", memory);
  return result;
}

static int64_t receive(struct consumer *consumer, void *into, size_t room) {
  ssize_t count;
  // recv(2)
  do
    count = recv(consumer->connection, into, room, MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

// now(): CLOCK_MONOTONIC, in milliseconds.
static napi_value now(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value = NULL;
  napi_create_double(env, now_ms(), &value);
  return value;
}

// Makes sure that this process can receive a descriptor: otherwise, the kernel would take a connection
// out of the queue and close it (unix(7)). 0 or -errno.
static int free_descriptor(struct consumer *consumer) {
  int spare = consumer->spare;
  consumer->spare = -1;
  if (spare < 0) spare = fcntl(consumer->queue, F_DUPFD_CLOEXEC, 3);
  if (spare < 0) return -errno;
  close(spare);
  return 0;
}

// Takes the first connection out of the queue: its descriptor, or a code. `preface` as in
// `receive_ticket`.
static int take_from_queue(struct consumer *consumer, struct iovec *preface) {
  int failure = free_descriptor(consumer);
  if (failure < 0) return failure == -EBADF ? TAKE_BROKEN : TAKE_NO_DESCRIPTOR;
  int fd = receive_ticket(consumer->queue, &consumer->page->ticket, preface);
  return fd < 0 && fd > TAKE_NOBODY ? TAKE_BROKEN : fd;
}

// What to make of the errno of accept4(2): a code, TAKE_NOBODY for those of one connection.
static int code_of_failure(int failure) {
  switch (failure) {
  case -EMFILE:
    return TAKE_NO_DESCRIPTOR;
  case -EBADF:
  case -ENOTSOCK:
    return TAKE_BROKEN;
  case -ENFILE:
  case -ENOBUFS:
  case -ENOMEM:
    // The system is short of something: this process must not try again and again.
    return TAKE_NOT_PERMITTED;
  default:
    return TAKE_NOBODY;
  }
}

// Reads a word that the primary writes behind others, to which it leads.
static uint32_t word_of(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static bool has_grant(const struct consumer *consumer) {
  return consumer->accepted != word_of(&consumer->page->granted);
}

// Accepts a connection: its descriptor, or a code.
static int accept_one(struct consumer *consumer) {
  // The primary grants more once it has seen these.
  if (!has_grant(consumer)) return TAKE_NOBODY;
  if (consumer->spare >= 0) close(consumer->spare);
  consumer->spare = -1;
  struct page_head *page = consumer->page;
  for (unsigned left = consumer->listener_count; left > 0; left--) {
    unsigned at = consumer->next_listener;
    consumer->next_listener = (at + 1) % consumer->listener_count;
    int fd = accept_granted(consumer->listeners[at], page->endpoints[at], consumer->accepted, page);
    int taken = fd < 0 ? code_of_failure(fd) : fd;
    if (fd >= 0) consumer->accepted += 1;
    if (taken != TAKE_NOBODY) return taken;
  }
  return TAKE_NOBODY;
}

// Takes a connection from where that is to be done now: its descriptor, or a code.
static int take_any(struct consumer *consumer, struct iovec *preface) {
  const struct page_head *page = consumer->page;
  if (!is_permitted(page)) {
    leave_gate(consumer);
    return TAKE_NOT_PERMITTED;
  }
  uint32_t gate = word_of(&page->gate);
  if (gate != 0 && word_of(&page->listeners) != consumer->listeners_number) return TAKE_OTHER_LISTENERS;
  bool is_open = gate != 0 && consumer->listener_count > 0;
  int taken = TAKE_NOBODY;
  // Those in the queue have come before.
  if (!is_open || gate != consumer->emptied_for) taken = take_from_queue(consumer, preface);
  if (taken != TAKE_NOBODY) return taken;
  consumer->emptied_for = gate;
  preface->iov_len = 0;
  if (is_open) taken = accept_one(consumer);
  if (taken == TAKE_NOBODY && is_open && has_grant(consumer))
    wait_at_gate(consumer);
  else if (taken < 0)
    leave_gate(consumer);
  return taken;
}

// take(consumer, into): takes the first connection, from the queue or from a listening socket, and
// reads what it has sent already: how many bytes, 0 when the client has ended its side, -errno
// (-EAGAIN: nothing has come yet). If the connection has a preface, it reads that alone. A code when
// it has taken none.
static napi_value take(napi_env env, napi_callback_info info) {
  napi_value args[2];
  void *into;
  size_t room;
  if (!args_of(env, info, 2, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL || !bytes_of(env, args[1], 1, &into, &room)) return NULL;
  if (consumer->connection >= 0) return refuse(env, "a connection is in hand");
  struct iovec preface = {into, room};
  int fd = take_any(consumer, &preface);
  if (fd < 0) return number_value(env, fd);
  consumer->connection = fd;
  consumer->number += 1 + (consumer->number == UINT32_MAX);
  consumer->is_watched = consumer->is_held_back = false;
  consumer->page->taken_at_ms = now_ms();
  if (preface.iov_len > 0) return number_value(env, (int64_t)preface.iov_len);
  return number_value(env, receive(consumer, into, room));
}

// learnListeners(consumer, fds, number): the listening sockets from which it accepts from now on, an
// Int32Array of descriptors that belong to it then, and their number in the page. Those before are
// closed.
static napi_value learn_listeners(napi_env env, napi_callback_info info) {
  napi_value args[3];
  napi_typedarray_type type;
  size_t count;
  void *fds;
  int64_t number;
  if (!args_of(env, info, 3, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL || !whole_of(env, args[2], 0, UINT32_MAX, &number)) return NULL;
  if (napi_get_typedarray_info(env, args[1], &type, &count, &fds, NULL, NULL) != napi_ok ||
      type != napi_int32_array || count > MOST_LISTENERS)
    return refuse(env, "not an Int32Array of sufficient length");
  leave_gate(consumer);
  for (unsigned at = 0; at < consumer->listener_count; at++)
    close(consumer->listeners[at]);
  // memcpy(3) takes no null pointer, which an empty array may have.
  if (count > 0) memcpy(consumer->listeners, fds, count * sizeof(int32_t));
  consumer->listener_count = (unsigned)count;
  consumer->next_listener = 0;
  consumer->listeners_number = (uint32_t)number;
  return NULL;
}

// leaveGate(consumer): does not wait at the listening sockets until the next `take` that finds nobody.
static napi_value leave(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  if (consumer != NULL) leave_gate(consumer);
  return NULL;
}

// read(consumer, into): how many bytes it has read, 0 at the end of the client's side, -errno.
static napi_value read_more(napi_env env, napi_callback_info info) {
  napi_value args[2];
  void *into;
  size_t room;
  if (!args_of(env, info, 2, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL || !bytes_of(env, args[1], 1, &into, &room)) return NULL;
  return number_value(env, consumer->connection < 0 ? -EBADF : receive(consumer, into, room));
}

// send(consumer, bytes, from): sends what it can of `bytes` from there on, and lets the system hold the
// last packet back until `push`, `shutdown` or `finish` (send(2), MSG_MORE; 200 ms at most). How
// many bytes it took, or -errno.
static napi_value send_some(napi_env env, napi_callback_info info) {
  napi_value args[3];
  void *bytes;
  size_t length;
  int64_t from;
  if (!args_of(env, info, 3, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL || !bytes_of(env, args[1], 0, &bytes, &length) ||
      !whole_of(env, args[2], 0, (int64_t)length, &from))
    return NULL;
  if (consumer->connection < 0) return number_value(env, -EBADF);
  ssize_t count;
  do
    count = send(consumer->connection, (char *)bytes + from, length - (size_t)from,
                 MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
  while (count < 0 && errno == EINTR);
  if (count > 0) consumer->is_held_back = true;
  return number_value(env, count < 0 ? -errno : count);
}

// push(consumer, noDelay): has the system send what it holds back (tcp(7): setting TCP_NODELAY does so
// at once). `noDelay` tells whether it stays set.
static napi_value push(napi_env env, napi_callback_info info) {
  napi_value args[2];
  bool stays;
  int on = 1, off = 0;
  if (!args_of(env, info, 2, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL) return NULL;
  if (napi_get_value_bool(env, args[1], &stays) != napi_ok) return refuse(env, "not a boolean");
  if (consumer->connection < 0 || !consumer->is_held_back) return NULL;
  consumer->is_held_back = false;
  setsockopt(consumer->connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!stays) setsockopt(consumer->connection, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
  return NULL;
}

// arm(consumer): calls back whenever the connection becomes readable or writable, beginning with what
// it is now; 0 or -errno.
static napi_value arm(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  if (consumer == NULL) return NULL;
  if (consumer->connection < 0) return number_value(env, -EBADF);
  if (consumer->is_watched) return number_value(env, 0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                              .data.u64 = consumer->number};
  if (epoll_ctl(consumer->epoll, EPOLL_CTL_ADD, consumer->connection, &event) < 0)
    return number_value(env, -errno);
  consumer->is_watched = true;
  return number_value(env, 0);
}

// shutdown(consumer): ends this side (shutdown(2)), behind everything that was sent; 0 or -errno.
static napi_value shut_down(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  if (consumer == NULL) return NULL;
  if (consumer->connection < 0) return number_value(env, -EBADF);
  consumer->is_held_back = false;
  return number_value(env, shutdown(consumer->connection, SHUT_WR) < 0 ? -errno : 0);
}

// Whether a connection that was ended here is over there, too; discards what still comes.
static bool is_over(int fd) {
  char discarded[16384];
  for (int times = 0; times < 16; times++) {
    ssize_t count = recv(fd, discarded, sizeof discarded, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return true;
    if (count < 0 && errno == EAGAIN) return false;
  }
  return false;
}

static int remove_oldest(struct consumer *consumer) {
  int fd = consumer->lingering[consumer->first].fd;
  consumer->first = (consumer->first + 1) % MOST_LINGERING;
  consumer->count -= 1;
  return fd;
}

static void add_lingering(struct consumer *consumer, int fd, double due_ms) {
  unsigned last = (consumer->first + consumer->count) % MOST_LINGERING;
  consumer->lingering[last].fd = fd;
  consumer->lingering[last].due_ms = due_ms;
  consumer->count += 1;
}

// Looks at `most` of the oldest; those that are not over go to the end, so that all have their
// turn.
static void sweep_some(struct consumer *consumer, unsigned most) {
  if (consumer->count == 0) return;
  double now = now_ms();
  for (unsigned left = most < consumer->count ? most : consumer->count; left > 0; left--) {
    double due_ms = consumer->lingering[consumer->first].due_ms;
    int fd = remove_oldest(consumer);
    if (now >= due_ms)
      close(fd);
    else if (!is_over(fd))
      add_lingering(consumer, fd, due_ms);
    else if (consumer->spare < 0)
      consumer->spare = fd;
    else
      close(fd);
  }
}

// Beyond this many, each connection that ends has another one looked at, or two.
#define SWEEP_ABOVE 12

// finish(consumer, lingerMs): ends this side, and closes the connection when the client has ended its
// own, or after so long. Closing at once would send a reset if there were unread input, which can
// destroy the answer (RFC 9112, 9.6). Returns how many connections are in that state.
static napi_value finish(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int64_t linger_ms;
  if (!args_of(env, info, 2, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL || !whole_of(env, args[1], 0, INT32_MAX, &linger_ms)) return NULL;
  if (consumer->connection < 0) return number_value(env, -EBADF);
  int fd = consumer->connection;
  consumer->connection = -1;
  // A watched connection must not wake this process any more; it is not closed yet.
  if (consumer->is_watched) epoll_ctl(consumer->epoll, EPOLL_CTL_DEL, fd, NULL);
  if (shutdown(fd, SHUT_WR) < 0) {
    close(fd);
    return number_value(env, consumer->count);
  }
  if (consumer->count > SWEEP_ABOVE) {
    sweep_some(consumer, 1);
    // One that is over serves the next `take`.
    if (consumer->spare < 0) sweep_some(consumer, 1);
  }
  if (consumer->count == MOST_LINGERING) close(remove_oldest(consumer));
  add_lingering(consumer, fd, now_ms() + (double)linger_ms);
  return number_value(env, consumer->count);
}

// sweep(consumer): closes the connections whose closing handshake is over, or has taken too long; how
// many are left.
static napi_value sweep(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  if (consumer == NULL) return NULL;
  sweep_some(consumer, MOST_LINGERING);
  return number_value(env, consumer->count);
}

// drop(consumer): closes the connection at once.
static napi_value drop(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  if (consumer == NULL || consumer->connection < 0) return NULL;
  close(consumer->connection);
  consumer->connection = -1;
  return NULL;
}

// detach(consumer): the connection's descriptor, which belongs to the caller from now on, or -EBADF.
static napi_value detach(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  if (consumer == NULL) return NULL;
  int fd = consumer->connection;
  if (fd < 0) return number_value(env, -EBADF);
  if (consumer->is_watched) epoll_ctl(consumer->epoll, EPOLL_CTL_DEL, fd, NULL);
  consumer->connection = -1;
  return number_value(env, fd);
}

// descriptor(consumer): that of the connection, or -EBADF.
static napi_value descriptor(napi_env env, napi_callback_info info) {
  struct consumer *consumer = only_consumer(env, info);
  return consumer == NULL ? NULL : number_value(env, consumer->connection < 0 ? -EBADF : consumer->connection);
}

static int64_t keep_alive(int fd, int seconds) {
  int on = seconds > 0;
  if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) < 0) return -errno;
  // As libuv sets them: uv_tcp_keepalive.
  int interval = 1, count = 10;
  if (on && (setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds) < 0 ||
             setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) < 0 ||
             setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) < 0))
    return -errno;
  return 0;
}

// setKeepAlive(consumer, seconds): asks the client whether it is there after so long without a byte
// (tcp(7)); 0: never.
static napi_value set_keep_alive(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int64_t seconds;
  if (!args_of(env, info, 2, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL || !whole_of(env, args[1], 0, 32767, &seconds)) return NULL;
  return number_value(env,
                      consumer->connection < 0 ? -EBADF : keep_alive(consumer->connection, (int)seconds));
}

// setNoDelay(consumer, isOn): tcp(7), TCP_NODELAY; 0 or -errno.
static napi_value set_no_delay(napi_env env, napi_callback_info info) {
  napi_value args[2];
  bool is_on;
  if (!args_of(env, info, 2, args)) return NULL;
  struct consumer *consumer = consumer_of(env, args[0]);
  if (consumer == NULL) return NULL;
  if (napi_get_value_bool(env, args[1], &is_on) != napi_ok) return refuse(env, "not a boolean");
  if (consumer->connection < 0) return number_value(env, -EBADF);
  int on = is_on;
  return number_value(
      env, setsockopt(consumer->connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ? -errno : 0);
}

bool define_consumer(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"openConsumer", open_consumer},
      {"now", now},
      {"take", take},
      {"learnListeners", learn_listeners},
      {"leaveGate", leave},
      {"read", read_more},
      {"send", send_some},
      {"push", push},
      {"arm", arm},
      {"shutdown", shut_down},
      {"finish", finish},
      {"sweep", sweep},
      {"drop", drop},
      {"detach", detach},
      {"descriptor", descriptor},
      {"setKeepAlive", set_keep_alive},
      {"setNoDelay", set_no_delay},
  };
  for (size_t at = 0; at < sizeof functions / sizeof *functions; at++)
    if (!define(env, exports, functions[at].name, functions[at].function)) return false;
  return true;
}
