#ifndef LOAD_SOURCE_H
#define LOAD_SOURCE_H

#include <stdint.h>

#include "options.h"

/*
 * Begins a non-blocking connection from the local address whose turn it is (127.0.0.1 and upwards,
 * by the connection's number). Returns the socket, or -1 with errno; EADDRNOTAVAIL only when no
 * address has a port left.
 *
 * The reason for many addresses: one address has some 28,000 ports per destination, and every
 * connection that this side closes first (a timeout, a wrong answer) keeps its port for a minute.
 * The server's half of a connection that the server closed first also stays for a minute, and a new
 * connection from the same address and port then runs into it. The alternative, SO_LINGER with a
 * zero time after a good answer, clears both halves at once, but sends a reset where a client would
 * send a FIN: the server sees an error that no real client causes, and takes another path through
 * its kernel and its code, in the very operation being measured. More addresses change nothing in a
 * packet but its address.
 */
int source_connect(const struct options *options, uint64_t number);

#endif
