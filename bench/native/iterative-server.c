/*
 * The floor to measure against: an echo server that, like the classic daemon skeletons, does
 * nothing but serve one connection at a time. Accept, read a line that ends with CRLF, send it
 * back, close. A line that begins with "burn N " or "wait N " has it compute or sleep for N
 * milliseconds first. It binds 127.0.0.1 only, and TERM ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LINE_MOST_BYTES 65536
#define EXIT_USAGE 2

/* Without a timeout, one silent client would keep all the others waiting for ever. */
static const struct timeval patience = {.tv_sec = 30};

static volatile sig_atomic_t told_to_end;

static void on_term(int number)
{
    (void)number;
    told_to_end = 1;
}

/*
 * Without SA_RESTART, so that accept() returns and the loop sees the flag. TERM can also arrive
 * just before accept() blocks; the alarm set here interrupts it a moment later.
 */
static void on_term_with_alarm(int number)
{
    static const struct itimerval soon = {{0, 10000}, {0, 10000}};
    on_term(number);
    setitimer(ITIMER_REAL, &soon, NULL);
}

static void catch_signals(void)
{
    struct sigaction term = {.sa_handler = on_term_with_alarm};
    struct sigaction tick = {.sa_handler = on_term};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGALRM, &tick, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int listen_on(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, SOMAXCONN) < 0)
        return -1;
    return listener;
}

static bool ends_line(const char *bytes, size_t count)
{
    return count >= 2 && bytes[count - 2] == '\r' && bytes[count - 1] == '\n';
}

/* Reads up to the CRLF, the end of input, or a full buffer. Returns the length, -1 on failure. */
static ssize_t read_line(int peer, char *line)
{
    size_t have = 0;
    while (have < LINE_MOST_BYTES && !ends_line(line, have)) {
        ssize_t count = recv(peer, line + have, LINE_MOST_BYTES - have, 0);
        if (count < 0 && errno == EINTR && !told_to_end)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        have += (size_t)count;
    }
    return (ssize_t)have;
}

static void write_all(int peer, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(peer, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return; /* the client left: nothing more can be done for it */
        bytes += sent;
        count -= (size_t)sent;
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Processor time, not time by the clock: a server that has to wait for a processor works no less. */
static void burn(unsigned ms)
{
    const uint64_t until = cpu_ns() + (uint64_t)ms * 1000000;
    while (cpu_ns() < until)
        continue;
}

static void pause_for(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0 && !told_to_end)
        continue;
}

/* Does the work that the line asks for; an echo alone asks for none. */
static void work(const char *line)
{
    unsigned ms;
    if (line[0] != 'b' && line[0] != 'w')
        return;
    if (sscanf(line, "burn %5u ", &ms) == 1)
        burn(ms);
    else if (sscanf(line, "wait %5u ", &ms) == 1)
        pause_for(ms);
}

static void serve(int peer)
{
    static char line[LINE_MOST_BYTES + 1];
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t count = read_line(peer, line);
    if (count > 0) {
        line[count] = '\0';
        work(line);
        write_all(peer, line, (size_t)count);
    }
    close(peer);
}

/* Errors of accept() about one connection, or about a shortage, do not end the server. */
static bool may_go_on(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENOBUFS;
}

static int port_from(int argc, char **argv)
{
    char *end = NULL;
    long port = argc == 3 && strcmp(argv[1], "--port") == 0 ? strtol(argv[2], &end, 10) : 0;
    return end != NULL && *end == '\0' && port > 0 && port < 65536 ? (int)port : -1;
}

int main(int argc, char **argv)
{
    const int port = port_from(argc, argv);
    if (port < 0) {
        fprintf(stderr, "usage: iterative-server --port N\n");
        return EXIT_USAGE;
    }
    catch_signals();
    const int listener = listen_on((uint16_t)port);
    if (listener < 0) {
        fprintf(stderr, "Cannot listen on 127.0.0.1:%d: %s\n", port, strerror(errno));
        return EXIT_FAILURE;
    }
    while (!told_to_end) {
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (peer >= 0)
            serve(peer);
        else if (!may_go_on(errno)) {
            fprintf(stderr, "accept failed: %s\n", strerror(errno));
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
