// Whether the ticket in a page always tells which connection a process took last, whenever that process
// is killed: many processes, one after the other, take from a queue as fast as they can, and each is
// killed at a random instant. What left the queue must be counted by them, or in the page.
//
// usage: killed-takers KILLS; writes how many kills there were, how many of them hit a process between
// the taking and its own count, and how many connections nobody can tell of
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

static int feeding, taking, something;
// What the processes share: the page, and behind it how many connections they have counted.
static struct page_head *page;
static volatile long *counted;

static double turn;

// Fills the queue.
static void feed(void) {
  for (;;) {
    struct ticket ticket = {.turn = turn + 1, .id = turn + 1};
    union {
      char bytes[CMSG_SPACE(sizeof(int))];
      struct cmsghdr align;
    } control;
    struct iovec part = {&ticket, sizeof ticket};
    struct msghdr message = {&(int){0}, 0, &part, 1, control.bytes, sizeof control.bytes, 0};
    message.msg_name = NULL;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &something, sizeof(int));
    if (sendmsg(feeding, &message, MSG_DONTWAIT) < 0) return;
    turn += 1;
  }
}

// The turn of the connection that left the queue last.
static double last_taken(void) {
  struct ticket first;
  ssize_t count = recv(taking, &first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
  return count == (ssize_t)sizeof first ? first.turn - 1 : turn;
}

static void take_for_ever(void) {
  for (;;) {
    int fd = receive_ticket(taking, &page->ticket, &(struct iovec){0});
    if (fd < 0) continue;
    *counted += 1;
    close(fd);
  }
}

int main(int argc, char **argv) {
  int ends[2];
  long kills = argc == 2 ? atol(argv[1]) : 0, between = 0, unknown = 0;
  if (kills < 1 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) < 0) return 2;
  feeding = ends[0];
  taking = ends[1];
  something = open("/dev/null", O_RDONLY);
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (something < 0 || page == MAP_FAILED) return 2;
  counted = (volatile long *)(page + 1);
  srandom(7);
  for (long kill_number = 0; kill_number < kills; kill_number++) {
    double before = last_taken();
    *counted = 0;
    feed();
    pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) take_for_ever();
    // Not before it is at work: on an idle machine, most would die before they have begun.
    while (*counted == 0) feed();
    for (long rounds = random() % 100; rounds >= 0; rounds--) feed();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    double last = last_taken();
    long missing = (long)(last - before) - *counted;
    if (missing == 0) continue;
    between += 1;
    if (missing != 1 || page->ticket.turn != last) unknown += missing;
  }
  printf("{\"kills\":%ld,\"between\":%ld,\"unknown\":%ld}\n", kills, between, unknown);
  return 0;
}
