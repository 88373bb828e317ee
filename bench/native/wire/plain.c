#include "wire.h"

#include <stdlib.h>
#include <sys/socket.h>

struct wire {
    int socket;
};

struct wire *wire_new(bool resumes)
{
    (void)resumes; /* there are no sessions */
    return calloc(1, sizeof(struct wire));
}

int wire_open(struct wire *wire, int socket)
{
    wire->socket = socket;
    return 0;
}

ssize_t wire_send(struct wire *wire, const void *bytes, size_t count)
{
    return send(wire->socket, bytes, count, MSG_NOSIGNAL);
}

ssize_t wire_receive(struct wire *wire, void *bytes, size_t count)
{
    return recv(wire->socket, bytes, count, 0);
}

void wire_close(struct wire *wire)
{
    wire->socket = -1;
}
