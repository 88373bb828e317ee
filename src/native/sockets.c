// Sockets by their descriptors: accepting them in batches, their addresses, their end.
#define _GNU_SOURCE
#include "native.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// accept(listener, fds, addresses): accepts as many connections as wait and `fds`, an Int32Array,
// has room for (accept4(2)). The kernel writes each client's address as sockaddr(3type) into
// `addresses`, 32 bytes for each, within the call that accepts it: so `addresses` tells how many
// were accepted, however soon this process dies. Returns how many; -errno when there was none. A
// connection that ended while it waited is skipped.
static napi_value accept_batch(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int listener;
  napi_typedarray_type type;
  size_t room, bytes;
  void *data, *addresses;
  if (!args_of(env, info, 3, args) || !fd_of(env, args[0], &listener)) return NULL;
  if (napi_get_typedarray_info(env, args[1], &type, &room, &data, NULL, NULL) != napi_ok ||
      type != napi_int32_array)
    return refuse(env, "not an Int32Array");
  if (!bytes_of(env, args[2], room * ADDRESS_BYTES, &addresses, &bytes)) return NULL;
  int32_t *fds = data;
  size_t count = 0;
  while (count < room) {
    void *address = (char *)addresses + count * ADDRESS_BYTES;
    socklen_t length = ADDRESS_BYTES;
    int fd = accept4(listener, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      fds[count++] = fd;
    else if (errno != EINTR && errno != ECONNABORTED)
      break;
  }
  return number_value(env, count == 0 && room > 0 ? -errno : (int64_t)count);
}

static napi_value address_value(napi_env env, const struct sockaddr_storage *address) {
  char text[INET6_ADDRSTRLEN];
  const void *bytes = &((const struct sockaddr_in *)address)->sin_addr;
  in_port_t port = ((const struct sockaddr_in *)address)->sin_port;
  napi_value value, name;
  if (address->ss_family == AF_INET6) {
    bytes = &((const struct sockaddr_in6 *)address)->sin6_addr;
    port = ((const struct sockaddr_in6 *)address)->sin6_port;
  } else if (address->ss_family != AF_INET)
    return number_value(env, -EAFNOSUPPORT);
  // inet_ntop(3)
  if (inet_ntop(address->ss_family, bytes, text, sizeof text) == NULL)
    return number_value(env, -errno);
  napi_create_object(env, &value);
  napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &name);
  napi_set_named_property(env, value, "address", name);
  napi_set_named_property(env, value, "port", number_value(env, ntohs(port)));
  return value;
}

// peerOf(socket): { address, port }, or -errno: -ENOTCONN once the connection was reset
// (getpeername(2)).
static napi_value peer_of(napi_env env, napi_callback_info info) {
  int fd;
  struct sockaddr_storage address = {0};
  socklen_t length = sizeof address;
  if (!only_fd(env, info, &fd)) return NULL;
  if (getpeername(fd, (struct sockaddr *)&address, &length) < 0) return number_value(env, -errno);
  return address_value(env, &address);
}

// localOf(socket): { address, port }, or -errno (getsockname(2)).
static napi_value local_of(napi_env env, napi_callback_info info) {
  int fd;
  struct sockaddr_storage address = {0};
  socklen_t length = sizeof address;
  if (!only_fd(env, info, &fd)) return NULL;
  if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) return number_value(env, -errno);
  return address_value(env, &address);
}

// addressOf(bytes): { address, port } of an address that `accept` has written, or -errno.
static napi_value address_of(napi_env env, napi_callback_info info) {
  napi_value args[1];
  void *bytes;
  size_t length;
  struct sockaddr_storage address = {0};
  if (!args_of(env, info, 1, args) || !bytes_of(env, args[0], ADDRESS_BYTES, &bytes, &length))
    return NULL;
  memcpy(&address, bytes, ADDRESS_BYTES);
  return address_value(env, &address);
}

// isListening(fd): whether it is a socket that accepts connections (socket(7), SO_ACCEPTCONN); 1, 0
// or -errno.
static napi_value is_listening(napi_env env, napi_callback_info info) {
  int fd, accepts = 0;
  socklen_t length = sizeof accepts;
  if (!only_fd(env, info, &fd)) return NULL;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) < 0)
    return number_value(env, -errno);
  return number_value(env, accepts);
}

// backlogOf(listener): how many connections wait to be accepted (tcp(7), TCP_INFO, where a listening
// socket has them as `tcpi_unacked`), or -errno.
static napi_value backlog_of(napi_env env, napi_callback_info info) {
  int fd;
  struct tcp_info state = {0};
  socklen_t length = sizeof state;
  if (!only_fd(env, info, &fd)) return NULL;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) < 0) return number_value(env, -errno);
  return number_value(env, state.tcpi_unacked);
}

// stopListening(listener): no process can accept from it any more, whoever has it open (shutdown(2));
// 0 or -errno.
static napi_value stop_listening(napi_env env, napi_callback_info info) {
  int fd;
  if (!only_fd(env, info, &fd)) return NULL;
  return number_value(env, shutdown(fd, SHUT_RD) < 0 ? -errno : 0);
}

// duplicate(fd): another descriptor of the same file, closed on exec (fcntl(2), F_DUPFD_CLOEXEC),
// or -errno.
static napi_value duplicate(napi_env env, napi_callback_info info) {
  int fd;
  if (!only_fd(env, info, &fd)) return NULL;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return number_value(env, copy < 0 ? -errno : copy);
}

// close(fd): close(2), which frees the descriptor even if it returns -errno.
static napi_value close_fd(napi_env env, napi_callback_info info) {
  int fd;
  if (!only_fd(env, info, &fd)) return NULL;
  return number_value(env, close(fd) < 0 ? -errno : 0);
}

bool define_sockets(napi_env env, napi_value exports) {
  return define(env, exports, "accept", accept_batch) && define(env, exports, "peerOf", peer_of) &&
         define(env, exports, "localOf", local_of) &&
         define(env, exports, "addressOf", address_of) &&
         define(env, exports, "isListening", is_listening) &&
         define(env, exports, "backlogOf", backlog_of) &&
         define(env, exports, "stopListening", stop_listening) &&
         define(env, exports, "duplicate", duplicate) && define(env, exports, "close", close_fd);
}
