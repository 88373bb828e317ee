// What the parts of the native module share. Numbers that a function returns to JavaScript are
// never exceptions: a negative one is -errno, or one of the codes below. Arguments of a wrong kind
// throw a TypeError.
#ifndef HELLOSERVER_NATIVE_H
#define HELLOSERVER_NATIVE_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>

// Raised whenever a function, a code or the ticket changes; src/native/native.ts expects it.
#define MODULE_VERSION 6

// Outside of what -errno can be.
enum take_code {
  TAKE_NOBODY = -10001,
  TAKE_NOT_PERMITTED = -10002,
  TAKE_NO_DESCRIPTOR = -10003,
  TAKE_LOST = -10004,
  TAKE_BROKEN = -10005,
  TAKE_OTHER_LISTENERS = -10006
};

// The message that comes with a connection through the queue; behind it, the connection's preface: the
// first bytes that the client has sent, if another process has read them.
struct ticket {
  double turn;
  double id;
  uint32_t nonce;
  uint32_t endpoint;
};

// What `accept` reserves for each address: enough for IPv6, to which a longer path of a Unix socket
// is cut.
#define ADDRESS_BYTES 32

// The most listening sockets from which workers accept by themselves.
#define MOST_LISTENERS 4

// Workers are granted so many connections at a time, with numbers that follow each other.
#define GRANT_SIZE 256

// What both processes have mapped; the rest of the page is JavaScript's.
struct page_head {
  // Until when a worker may take a connection, by CLOCK_MONOTONIC in milliseconds.
  double permit_until_ms;
  char waits_and_recorded[8];
  // When the worker took its current connection.
  double taken_at_ms;
  // How far the wall clock was ahead of CLOCK_MONOTONIC then.
  double wall_ahead_ms;
  // The first number of the last two grants; they take turns.
  double granted_ids[2];
  // Which of the times is now in which workers accept by themselves, counted from 1; 0: none of them.
  uint32_t gate;
  // How many connections the worker may have accepted by itself since it was started.
  uint32_t granted;
  // The nonce of all of those.
  uint32_t nonce;
  // Which listening sockets are meant, counted from 1.
  uint32_t listeners;
  // Written by the kernel, within the very call that takes a connection from the queue; by the worker,
  // before it tries to accept one.
  struct ticket ticket;
  // The numbers of the listening sockets' endpoints.
  uint16_t endpoints[MOST_LISTENERS];
  // The client of the connection that the worker has accepted by itself. The family is 0 until the kernel
  // writes it, within the very call that accepts the connection.
  char peer[ADDRESS_BYTES];
};

// Arguments of a call; false when one of them is not what it must be, and then a TypeError is
// pending.
bool args_of(napi_env env, napi_callback_info info, size_t count, napi_value *args);
bool fd_of(napi_env env, napi_value value, int *fd);
// The descriptor of a function that takes no other argument.
bool only_fd(napi_env env, napi_callback_info info, int *fd);
bool whole_of(napi_env env, napi_value value, int64_t least, int64_t most, int64_t *whole);
bool bytes_of(napi_env env, napi_value value, size_t least, void **data, size_t *length);
bool external_of(napi_env env, napi_value value, void *tag, void **data);
napi_value refuse(napi_env env, const char *why);

napi_value number_value(napi_env env, int64_t number);

// Calls a function from the event loop; an exception is an uncaught one.
void call_back(napi_env env, napi_ref callback, int32_t argument);

// Maps a page that another process shares; NULL with errno set.
void *map_page(int fd, size_t bytes);
// An ArrayBuffer over a mapping, which is unmapped when the ArrayBuffer is collected.
napi_value memory_value(napi_env env, void *mapping, size_t bytes);

// Receives a ticket, its preface and its descriptor: the descriptor, -errno, or a code. `preface` is
// the room for it, and then what there is of it.
int receive_ticket(int queue, struct ticket *into, struct iovec *preface);

// Accepts a connection as that which follows `accepted` of those that were granted: the descriptor or
// -errno. The ticket is about it as soon as the page has its client.
int accept_granted(int listener, uint16_t endpoint, uint32_t accepted, struct page_head *page);

// clock_gettime(2), in milliseconds; of these clocks, process.hrtime has CLOCK_MONOTONIC.
double clock_ms(clockid_t clock);

bool define(napi_env env, napi_value exports, const char *name, napi_callback function);
bool define_queue(napi_env env, napi_value exports);
bool define_page(napi_env env, napi_value exports);
bool define_sockets(napi_env env, napi_value exports);
bool define_watch(napi_env env, napi_value exports);
bool define_consumer(napi_env env, napi_value exports);
bool define_rescue(napi_env env, napi_value exports);

#endif
