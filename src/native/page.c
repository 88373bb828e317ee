// The page that the primary shares with one worker, and the bell that wakes that worker.
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

void *map_page(int fd, size_t bytes) {
  // A mapping beyond the file's end would fault. Unlike fstat(2), lseek(2) is the same symbol in
  // every libc.
  off_t length = lseek(fd, 0, SEEK_END);
  if (length < 0) return NULL;
  if (length < (off_t)bytes || bytes < sizeof(struct page_head)) {
    errno = EINVAL;
    return NULL;
  }
  // mmap(2)
  void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return mapping == MAP_FAILED ? NULL : mapping;
}

static void unmap(napi_env env, void *mapping, void *bytes) {
  (void)env;
  munmap(mapping, (size_t)(uintptr_t)bytes);
}

napi_value memory_value(napi_env env, void *mapping, size_t bytes) {
  napi_value memory;
  if (napi_create_external_arraybuffer(env, mapping, bytes, unmap, (void *)(uintptr_t)bytes,
                                       &memory) == napi_ok)
    return memory;
  munmap(mapping, bytes);
  return NULL;
}

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

// What memfd_create(2) allows, with the end of the text.
#define NAME_BYTES 250

// openPage(bytes, isOwn, name): { fd, memory }, or -errno. No process can change its size
// (memfd_create(2), fcntl(2) on file seals): otherwise a worker could cut it short, and the primary
// would fault. If it is this process's own, others can only read it. Whoever holds it can be seen to hold
// a file of this name (proc_pid_fd(5)).
static napi_value open_page(napi_env env, napi_callback_info info) {
  napi_value args[3], page;
  int64_t bytes;
  bool is_own;
  char name[NAME_BYTES];
  size_t length;
  if (!args_of(env, info, 3, args) ||
      !whole_of(env, args[0], sizeof(struct page_head), 1 << 24, &bytes))
    return NULL;
  if (napi_get_value_bool(env, args[1], &is_own) != napi_ok) return refuse(env, "not a boolean");
  if (napi_get_value_string_utf8(env, args[2], name, sizeof name, &length) != napi_ok || length == 0)
    return refuse(env, "not a name");
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return number_value(env, -errno);
  void *mapping = NULL;
  // What is mapped before that seal stays writable here.
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (is_own ? F_SEAL_FUTURE_WRITE : 0);
  if (ftruncate(fd, bytes) == 0) mapping = map_page(fd, (size_t)bytes);
  if (mapping == NULL || fcntl(fd, F_ADD_SEALS, seals) < 0) {
    int failure = errno;
    if (mapping != NULL) munmap(mapping, (size_t)bytes);
    close(fd);
    return number_value(env, -failure);
  }
  napi_value memory = memory_value(env, mapping, (size_t)bytes);
  if (memory == NULL) {
    close(fd);
    return number_value(env, -ENOMEM);
  }
  napi_create_object(env, &page);
  napi_set_named_property(env, page, "fd", number_value(env, fd));
  napi_set_named_property(env, page, "memory", memory);
  return page;
}

// sealsOf(fd): what others cannot do to a memfd_create(2) file (fcntl(2), F_GET_SEALS), or -errno:
// -EINVAL when it is anything else.
static napi_value seals_of(napi_env env, napi_callback_info info) {
  int fd;
  if (!only_fd(env, info, &fd)) return NULL;
  int seals = fcntl(fd, F_GET_SEALS);
  return number_value(env, seals < 0 ? -errno : seals);
}

// mapPage(fd, bytes): the memory of a page that another process has opened, or -errno. Nobody may
// be able to cut it short: see `sealsOf`.
static napi_value map_given(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int fd;
  int64_t bytes;
  if (!args_of(env, info, 2, args) || !fd_of(env, args[0], &fd) ||
      !whole_of(env, args[1], sizeof(struct page_head), 1 << 24, &bytes))
    return NULL;
  void *mapping = map_page(fd, (size_t)bytes);
  if (mapping == NULL) return number_value(env, -errno);
  return memory_value(env, mapping, (size_t)bytes);
}

// openBell(): a descriptor by which a process is woken (eventfd(2)), or -errno.
static napi_value open_bell(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return number_value(env, fd < 0 ? -errno : fd);
}

// ring(bell): 0 or -errno; -EAGAIN when it was rung very often and nobody has heard it.
static napi_value ring(napi_env env, napi_callback_info info) {
  int fd;
  uint64_t one = 1;
  if (!only_fd(env, info, &fd)) return NULL;
  return number_value(env, write(fd, &one, sizeof one) < 0 ? -errno : 0);
}

bool define_page(napi_env env, napi_value exports) {
  return define(env, exports, "openPage", open_page) && define(env, exports, "sealsOf", seals_of) &&
         define(env, exports, "mapPage", map_given) &&
         define(env, exports, "openBell", open_bell) && define(env, exports, "ring", ring);
}
