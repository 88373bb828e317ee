#define _GNU_SOURCE
#include "source.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* bind() alone would reserve a port for every destination; this lets connect() pick one for this destination. */
static int bind_address(int fd, in_addr_t address)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    const int on = 1;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0)
        return -1;
    return bind(fd, (const struct sockaddr *)&local, sizeof local);
}

static int connect_from(const struct options *options, in_addr_t address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    const struct sockaddr *target = (const struct sockaddr *)&options->target;
    if (bind_address(fd, address) == 0 &&
        (connect(fd, target, sizeof options->target) == 0 || errno == EINPROGRESS))
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int source_connect(const struct options *options, uint64_t number)
{
    for (unsigned tried = 0; tried < options->sources; tried++) {
        unsigned turn = (unsigned)((number + tried) % options->sources);
        int fd = connect_from(options, INADDR_LOOPBACK + turn);
        if (fd >= 0 || errno != EADDRNOTAVAIL)
            return fd;
    }
    errno = EADDRNOTAVAIL;
    return -1;
}
