// The queue between the primary and all workers: connections, first in, first out, of which each
// reader gets a different one (unix(7), SOCK_SEQPACKET; SCM_RIGHTS). The kernel holds what is in
// it, whoever dies.
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// openQueue(bytes): [the primary's end, the workers' end], or -errno. `bytes`: as `setQueueRoom`.
static napi_value open_queue(napi_env env, napi_callback_info info) {
  napi_value args[1], pair;
  int64_t bytes;
  int ends[2];
  if (!args_of(env, info, 1, args) || !whole_of(env, args[0], 1, INT32_MAX, &bytes)) return NULL;
  // socketpair(2)
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
    return number_value(env, -errno);
  int room = (int)bytes;
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  napi_create_array_with_length(env, 2, &pair);
  for (uint32_t at = 0; at < 2; at++)
    napi_set_element(env, pair, at, number_value(env, ends[at]));
  return pair;
}

// setQueueRoom(end, bytes): how much memory the messages in the queue may take (socket(7),
// SO_SNDBUF, which the kernel doubles). When it is used up, `offer` returns -EAGAIN; the end is
// writable again once at most a quarter is used.
static napi_value set_queue_room(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int fd;
  int64_t bytes;
  if (!args_of(env, info, 2, args) || !fd_of(env, args[0], &fd) ||
      !whole_of(env, args[1], 1, INT32_MAX, &bytes))
    return NULL;
  int room = (int)bytes;
  return number_value(env,
                      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0 ? -errno : 0);
}

// Closes descriptors, which are often neighbours: close_range(2) by its number, since not every libc
// has it.
static void close_all(const int32_t *fds, unsigned count) {
  for (unsigned at = 0; at < count;) {
    unsigned next = at + 1;
    while (next < count && fds[next] == fds[next - 1] + 1) next++;
    if (next - at == 1 || syscall(SYS_close_range, fds[at], fds[next - 1], 0) < 0)
      for (unsigned each = at; each < next; each++) close(fds[each]);
    at = next;
  }
}

// The most sockets that one call of `offer` puts into the queue.
#define MOST_OFFERED 32

static bool int32s_of(napi_env env, napi_value value, const int32_t **numbers, size_t *length) {
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, length, (void **)numbers, NULL, NULL) == napi_ok &&
      type == napi_int32_array)
    return true;
  refuse(env, "not an Int32Array");
  return false;
}

// offer(end, fds, messages, lengths, count): moves sockets into the queue, in their order (sendmmsg(2),
// cmsg(3)). `messages` has one behind the other, each a ticket and perhaps a preface; `fds` and
// `lengths` are Int32Arrays. How many it has moved, whose descriptors are closed here; -errno when
// there was none.
static napi_value offer(napi_env env, napi_callback_info info) {
  napi_value args[5];
  int queue;
  const int32_t *fds, *lengths;
  size_t sockets, sizes, bytes;
  void *message_bytes;
  int64_t count;
  if (!args_of(env, info, 5, args) || !fd_of(env, args[0], &queue) ||
      !int32s_of(env, args[1], &fds, &sockets) ||
      !bytes_of(env, args[2], sizeof(struct ticket), &message_bytes, &bytes) ||
      !int32s_of(env, args[3], &lengths, &sizes))
    return NULL;
  size_t most = sockets < sizes ? sockets : sizes;
  if (!whole_of(env, args[4], 1, most < MOST_OFFERED ? (int64_t)most : MOST_OFFERED, &count))
    return NULL;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } controls[MOST_OFFERED];
  struct iovec parts[MOST_OFFERED];
  struct mmsghdr messages[MOST_OFFERED];
  memset(controls, 0, (size_t)count * sizeof *controls);
  memset(messages, 0, (size_t)count * sizeof *messages);
  size_t offset = 0;
  for (int64_t at = 0; at < count; at++) {
    // The standard streams are never ours.
    if (fds[at] < 3) return refuse(env, "a descriptor is out of range");
    if (lengths[at] < (int32_t)sizeof(struct ticket) || (size_t)lengths[at] > bytes - offset)
      return refuse(env, "a length is out of range");
    parts[at] = (struct iovec){(char *)message_bytes + offset, (size_t)lengths[at]};
    offset += (size_t)lengths[at];
    struct msghdr *message = &messages[at].msg_hdr;
    message->msg_iov = &parts[at];
    message->msg_iovlen = 1;
    message->msg_control = controls[at].bytes;
    message->msg_controllen = sizeof controls[at].bytes;
    struct cmsghdr *rights = CMSG_FIRSTHDR(message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fds[at], sizeof(int));
  }
  int sent;
  do
    sent = sendmmsg(queue, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return number_value(env, -errno);
  close_all(fds, (unsigned)sent);
  return number_value(env, sent);
}

// peek(end, ticket): fills in the ticket of the first connection, which stays where it is (recv(2),
// MSG_PEEK: without a buffer for it, the descriptor is not copied); 0 or a code.
static napi_value peek(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int queue;
  void *into;
  size_t length;
  struct ticket ticket;
  if (!args_of(env, info, 2, args) || !fd_of(env, args[0], &queue) ||
      !bytes_of(env, args[1], sizeof ticket, &into, &length))
    return NULL;
  ssize_t count;
  do
    count = recv(queue, &ticket, sizeof ticket, MSG_PEEK | MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  if (count < 0) return number_value(env, errno == EAGAIN ? TAKE_NOBODY : -errno);
  if (count != (ssize_t)sizeof ticket) return number_value(env, TAKE_BROKEN);
  memcpy(into, &ticket, sizeof ticket);
  return number_value(env, 0);
}

bool define_queue(napi_env env, napi_value exports) {
  return define(env, exports, "openQueue", open_queue) &&
         define(env, exports, "setQueueRoom", set_queue_room) &&
         define(env, exports, "offer", offer) && define(env, exports, "peek", peek);
}
