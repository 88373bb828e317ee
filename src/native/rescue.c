// Unix sockets between a primary and the workers of one that was killed, and the descriptors that
// go through them.
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// The most descriptors in one message: the listening sockets of all endpoints, and a few more.
#define MOST_PASSED 72
// How many primaries may wait for a worker that is busy.
#define BACKLOG 16

static bool path_of(napi_env env, napi_value value, struct sockaddr_un *address) {
  size_t length;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) == napi_ok && length > 0 &&
      length < sizeof address->sun_path &&
      napi_get_value_string_utf8(env, value, address->sun_path, sizeof address->sun_path,
                                 &length) == napi_ok)
    return true;
  refuse(env, "not the path of a Unix socket");
  return false;
}

// Opens a Unix socket and does `act` with it at the path that is the only argument; the socket, or
// -errno.
static napi_value socket_at(napi_env env, napi_callback_info info,
                            int (*act)(int fd, const struct sockaddr_un *address)) {
  napi_value args[1];
  struct sockaddr_un address;
  if (!args_of(env, info, 1, args) || !path_of(env, args[0], &address)) return NULL;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return number_value(env, -errno);
  if (act(fd, &address) == 0) return number_value(env, fd);
  int failure = errno;
  close(fd);
  return number_value(env, -failure);
}

static int listen_there(int fd, const struct sockaddr_un *address) {
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0) return -1;
  return listen(fd, BACKLOG);
}

static int connect_there(int fd, const struct sockaddr_un *address) {
  return connect(fd, (const struct sockaddr *)address, sizeof *address);
}

// listenAt(path): a Unix socket that listens there (bind(2), listen(2)), or -errno.
static napi_value listen_at(napi_env env, napi_callback_info info) {
  return socket_at(env, info, listen_there);
}

// connectTo(path): a connection (connect(2)), or -errno: -ECONNREFUSED when no process has the
// other socket any more. It may wait to be accepted.
static napi_value connect_to(napi_env env, napi_callback_info info) {
  return socket_at(env, info, connect_there);
}

// pass(socket, bytes, fds): sends `bytes` with copies of the descriptors, an Int32Array, which may
// be empty (sendmsg(2), cmsg(3)); 0 or -errno.
static napi_value pass(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int fd;
  void *bytes, *fds;
  size_t length, count;
  napi_typedarray_type type;
  if (!args_of(env, info, 3, args) || !fd_of(env, args[0], &fd) ||
      !bytes_of(env, args[1], 1, &bytes, &length))
    return NULL;
  if (napi_get_typedarray_info(env, args[2], &type, &count, &fds, NULL, NULL) != napi_ok ||
      type != napi_int32_array || count > MOST_PASSED)
    return refuse(env, "not an Int32Array of sufficient length");
  union {
    char bytes[CMSG_SPACE(MOST_PASSED * sizeof(int))];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec part = {bytes, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
  }
  ssize_t sent;
  do
    sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return number_value(env, -errno);
  return number_value(env, sent == (ssize_t)length ? 0 : -EMSGSIZE);
}

// Takes the descriptors out of a message; returns how many have come with it.
static unsigned received_fds(struct msghdr *message, int fds[MOST_PASSED]) {
  struct cmsghdr *rights = CMSG_FIRSTHDR(message);
  if (rights == NULL || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS)
    return 0;
  // The control buffer had room for no more than these.
  size_t length = rights->cmsg_len - CMSG_LEN(0);
  memcpy(fds, CMSG_DATA(rights), length);
  return (unsigned)(length / sizeof(int));
}

// receive(socket, into, stays): { bytes, fds } of the next message or, from a stream, of what there
// is up to the next descriptors; 0 bytes at its end. -errno: -EAGAIN when there is nothing,
// -EMSGSIZE when `into` or this process has no room for all of it. With `stays`, it can be received
// again (recvmsg(2), MSG_PEEK: the descriptors are copies).
static napi_value receive(napi_env env, napi_callback_info info) {
  napi_value args[3], result, list;
  int fd;
  void *bytes;
  size_t room;
  bool stays;
  if (!args_of(env, info, 3, args) || !fd_of(env, args[0], &fd) ||
      !bytes_of(env, args[1], 1, &bytes, &room))
    return NULL;
  if (napi_get_value_bool(env, args[2], &stays) != napi_ok) return refuse(env, "not a boolean");
  union {
    char bytes[CMSG_SPACE(MOST_PASSED * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec part = {bytes, room};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  int fds[MOST_PASSED];
  ssize_t count;
  do
    count = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (stays ? MSG_PEEK : 0));
  while (count < 0 && errno == EINTR);
  if (count < 0) return number_value(env, -errno);
  unsigned passed = received_fds(&message, fds);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    for (unsigned at = 0; at < passed; at++)
      close(fds[at]);
    return number_value(env, -EMSGSIZE);
  }
  napi_create_object(env, &result);
  napi_create_array_with_length(env, passed, &list);
  for (unsigned at = 0; at < passed; at++)
    napi_set_element(env, list, at, number_value(env, fds[at]));
  napi_set_named_property(env, result, "bytes", number_value(env, count));
  napi_set_named_property(env, result, "fds", list);
  return result;
}

bool define_rescue(napi_env env, napi_value exports) {
  return define(env, exports, "listenAt", listen_at) &&
         define(env, exports, "connectTo", connect_to) && define(env, exports, "pass", pass) &&
         define(env, exports, "receive", receive);
}
