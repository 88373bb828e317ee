// Takes a connection, out of the queue or from a listening socket, so that the page tells which one however
// soon this process dies. By itself, so that programs without Node can do it as well.
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

int receive_ticket(int queue, struct ticket *into, struct iovec *preface) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec parts[] = {{into, sizeof *into}, *preface};
  struct msghdr message = {.msg_iov = parts,
                           .msg_iovlen = 2,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t length;
  // recvmsg(2)
  do
    length = recvmsg(queue, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  if (length < 0) return errno == EAGAIN ? TAKE_NOBODY : -errno;
  int fd = TAKE_LOST;
  for (struct cmsghdr *rights = CMSG_FIRSTHDR(&message); rights != NULL;
       rights = CMSG_NXTHDR(&message, rights))
    if (rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == CMSG_LEN(sizeof(int)))
      memcpy(&fd, CMSG_DATA(rights), sizeof fd);
  if (length >= (ssize_t)sizeof *into && !(message.msg_flags & MSG_TRUNC)) {
    preface->iov_len = (size_t)length - sizeof *into;
    return fd;
  }
  // The other end is closed, or somebody else has written into the queue.
  if (fd >= 0) close(fd);
  return TAKE_BROKEN;
}

double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int accept_granted(int listener, uint16_t endpoint, uint32_t accepted, struct page_head *page) {
  // First of all: the ticket below must not seem to be about the client before.
  memset(page->peer, 0, sizeof(sa_family_t));
  atomic_thread_fence(memory_order_seq_cst);
  double first_id = page->granted_ids[accepted / GRANT_SIZE % 2];
  page->ticket = (struct ticket){.id = first_id + accepted % GRANT_SIZE,
                                 .nonce = page->nonce,
                                 .endpoint = endpoint};
  page->taken_at_ms = clock_ms(CLOCK_MONOTONIC);
  int fd;
  // accept4(2)
  do {
    socklen_t length = sizeof page->peer;
    fd = accept4(listener, (struct sockaddr *)page->peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  return fd < 0 ? -errno : fd;
}
