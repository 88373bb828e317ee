#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * How the bytes of a client travel: in the clear or through TLS, as the program is linked with
 * plain.c or tls.c. Sending and receiving return what send(2) and recv(2) do, with EAGAIN while
 * they must wait for the socket.
 */
struct wire;

/* For each client once; NULL with errno when it cannot be made. `resumes`: with the last session. */
struct wire *wire_new(bool resumes);
/* Begins a connection on a socket that is connected. Returns 0, or -1 with errno. */
int wire_open(struct wire *wire, int socket);
ssize_t wire_send(struct wire *wire, const void *bytes, size_t count);
ssize_t wire_receive(struct wire *wire, void *bytes, size_t count);
/* Ends a connection; the socket is the caller's to close. */
void wire_close(struct wire *wire);

#endif
