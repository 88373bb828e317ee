// Takes a connection out of the queue; by itself, so that programs without Node can do it as well.
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
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
