#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "run.h"
#include "timers.h"
#include "../wire/wire.h"

enum client_state {
    CLIENT_RESTING, /* no connection */
    CLIENT_CONNECTING,
    CLIENT_HOLDING, /* connected, waiting before it sends */
    CLIENT_TALKING, /* sending its line and reading the answer */
};

struct client {
    enum client_state state;
    int socket;
    struct wire *wire;
    uint64_t began_ns;
    size_t sent;
    size_t received;
    char *line;
    struct timer deadline;
    struct timer pause; /* hold or backoff: never both */
};

/* Each function moves a client from one state to the next; none of them blocks. */
void client_begin(struct run *run, struct client *client);
void client_on_events(struct run *run, struct client *client, uint32_t events);
void client_on_deadline(struct run *run, struct client *client);
void client_on_hold_over(struct run *run, struct client *client);

#endif
