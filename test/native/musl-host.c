// A program of musl's that loads the compiled module and takes one connection through all of it, as
// primary and worker do. Neither Debian nor npm has a Node.js for musl, hence the stand-in.
//
// usage: musl-host MODULE; it prints what the client got
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node-stand-in.h"

enum { PAGE_BYTES = 16384, QUEUE_BYTES = 4096 };

static struct value *module;

static struct value *property(const struct value *object, const char *name) {
  for (size_t at = 0; at < object->count; at++)
    if (strcmp(object->properties[at].name, name) == 0) return object->properties[at].value;
  fail(name);
  return NULL;
}

static struct value *number(double number) {
  struct value *value = made(napi_number);
  value->number = number;
  return value;
}

static struct value *text(const char *characters) {
  struct value *value = made(napi_string);
  value->name = characters;
  return value;
}

static struct value *boolean(bool is_true) {
  struct value *value = made(napi_boolean);
  value->number = is_true;
  return value;
}

static struct value *array(napi_typedarray_type elements, void *data, size_t length) {
  struct value *value = made(napi_object);
  value->elements = elements;
  value->data = data;
  value->length = length;
  return value;
}

// Calls a function of the module.
static struct value *called(const char *name, size_t count, ...) {
  napi_value args[8];
  va_list list;
  va_start(list, count);
  for (size_t at = 0; at < count; at++)
    args[at] = (napi_value)va_arg(list, struct value *);
  va_end(list);
  struct call call = {count, args};
  return (struct value *)property(module, name)->function(NULL, (napi_callback_info)&call);
}

// It must return that number.
static void expect(const char *what, const struct value *value, double wanted) {
  if (value->type == napi_number && value->number == wanted) return;
  fprintf(stderr, "%s returned %g, not %g\n", what, value->number, wanted);
  exit(1);
}

static void load(const char *file) {
  void *library = dlopen(file, RTLD_NOW);
  if (library == NULL) fail(dlerror());
  napi_value (*init)(napi_env, napi_value) = NULL;
  *(void **)&init = dlsym(library, "napi_register_module_v1");
  if (init == NULL) fail(dlerror());
  module = (struct value *)init(NULL, (napi_value)made(napi_object));
  if (module == NULL) fail("the module refuses to load");
  expect("version", property(module, "version"), MODULE_VERSION);
}

// A client that has sent its question and ended its side, at `listener`.
static int client_of(int listener) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
      connect(client, (struct sockaddr *)&address, length) != 0 ||
      send(client, "question", 8, 0) != 8 || shutdown(client, SHUT_WR) != 0)
    fail("no client");
  return client;
}

int main(int count, char **args) {
  if (count != 2) fail("usage: musl-host MODULE");
  load(args[1]);
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = client_of(listener);

  // The primary: it accepts the client, and puts it into the queue.
  int32_t fd;
  char address[32], sent[sizeof(struct ticket)], seen[sizeof(struct ticket)];
  struct value *fds = array(napi_int32_array, &fd, 1);
  expect("accept", called("accept", 3, number(listener), fds, array(napi_uint8_array, address, 32)),
         1);
  if (strcmp(property(called("peerOf", 1, number(fd)), "address")->name, "127.0.0.1") != 0)
    fail("the client has another address");
  struct value *queue = called("openQueue", 1, number(QUEUE_BYTES));
  struct value *feeding = property(queue, "0"), *taking = property(queue, "1");
  memset(sent, 7, sizeof sent);
  int32_t length = sizeof sent;
  expect("offer",
         called("offer", 5, feeding, fds, array(napi_uint8_array, sent, sizeof sent),
                array(napi_int32_array, &length, 1), number(1)),
         1);
  expect("peek", called("peek", 2, taking, array(napi_uint8_array, seen, sizeof seen)), 0);
  if (memcmp(seen, sent, sizeof sent) != 0) fail("the queue has another ticket");

  // The worker: it takes the client, answers, and ends the connection.
  struct value *page = called("openPage", 3, number(PAGE_BYTES), boolean(false), text("page"));
  struct page_head *head = property(page, "memory")->data;
  head->permit_until_ms = __builtin_inf();
  struct value *bell = called("openBell", 0);
  struct value *consumer = property(called("openConsumer", 5, taking, property(page, "fd"), bell,
                                           number(PAGE_BYTES), made(napi_function)),
                                    "consumer");
  char question[64];
  struct value *into = array(napi_uint8_array, question, sizeof question);
  expect("take", called("take", 2, consumer, into), 8);
  if (memcmp(&head->ticket, sent, sizeof sent) != 0) fail("the page has another ticket");
  if (memcmp(question, "question", 8) != 0) fail("the question is another");
  expect("read", called("read", 2, consumer, into), 0);
  expect("send", called("send", 3, consumer, array(napi_uint8_array, "answer", 6), number(0)), 6);
  expect("finish", called("finish", 2, consumer, number(1000)), 1);

  // The next primary: it gets descriptors from a worker.
  fd = listener;
  expect("pass", called("pass", 3, feeding, array(napi_uint8_array, "legacy", 6), fds), 0);
  struct value *received = called("receive", 3, taking, into, boolean(false));
  expect("receive", property(received, "bytes"), 6);
  struct value *copy = property(property(received, "fds"), "0");
  expect("isListening", called("isListening", 1, copy), 1);

  char answer[64];
  ssize_t bytes = recv(client, answer, sizeof answer, MSG_WAITALL);
  printf("%.*s\n", (int)(bytes > 0 ? bytes : 0), answer);
  return 0;
}
