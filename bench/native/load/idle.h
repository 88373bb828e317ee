#ifndef LOAD_IDLE_H
#define LOAD_IDLE_H

#include <stddef.h>

#include "options.h"

/* Clients that connect, send nothing, and stay until the run is over. */
struct idle {
    size_t count;
    size_t failed; /* did not get a connection */
    size_t closed; /* closed or reset by the server before the run was over */
    int *sockets;
};

/* Connects all of them, one after another. Returns 0, or -1 when there is no memory. */
int idle_open(struct idle *idle, const struct options *options);

/* Counts the connections that the server has closed, then closes all. */
void idle_close(struct idle *idle);

#endif
