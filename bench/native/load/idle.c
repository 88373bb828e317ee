#define _GNU_SOURCE
#include "idle.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "source.h"

static bool connected(int fd, uint64_t timeout_ns)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    return poll(&wait, 1, (int)(timeout_ns / NS_PER_MS)) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

int idle_open(struct idle *idle, const struct options *options)
{
    *idle = (struct idle){.count = options->idle};
    idle->sockets = calloc(options->idle + 1, sizeof *idle->sockets);
    if (idle->sockets == NULL)
        return -1;
    for (size_t i = 0; i < idle->count; i++) {
        int fd = source_connect(options, i);
        if (fd >= 0 && !connected(fd, options->timeout_ns)) {
            close(fd);
            fd = -1;
        }
        idle->failed += fd < 0;
        idle->sockets[i] = fd;
    }
    return 0;
}

/* Discards anything that the server sent before it closed: only the close matters here. */
static bool closed_by_server(int fd)
{
    char buffer[4096];
    ssize_t count;
    do {
        count = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0 || errno != EAGAIN;
}

void idle_close(struct idle *idle)
{
    for (size_t i = 0; i < idle->count; i++) {
        if (idle->sockets[i] < 0)
            continue;
        idle->closed += closed_by_server(idle->sockets[i]);
        close(idle->sockets[i]);
    }
    free(idle->sockets);
    idle->sockets = NULL;
}
