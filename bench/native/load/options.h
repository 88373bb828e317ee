#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_EXIT_FAILED 1
#define LOAD_EXIT_USAGE 2

struct options {
    struct sockaddr_in target;
    size_t clients;       /* concurrent, each one connection after another */
    size_t idle;          /* connect and never send */
    uint64_t connections; /* bound on connections begun, 0 = none */
    uint64_t seconds_ns;  /* bound on time, 0 = none */
    uint64_t timeout_ns;  /* of one connection, connect() to end of file */
    uint64_t hold_ns;     /* between connected and first byte sent */
    uint64_t backoff_ns;  /* before a client's next connection after a failed one */
    size_t line_bytes;    /* of the line sent, prefix and CRLF included */
    const char *prefix;   /* the line's first bytes, which ask some servers for work */
    unsigned processes;   /* that share the clients */
    bool resume;          /* TLS with the session of the last connection */
    bool tells_failures;  /* writes each failed connection to standard error */
    unsigned sources;     /* local addresses used in turn, from 127.0.0.1 upwards */
};

/* Exits with LOAD_EXIT_USAGE and one sentence on standard error when the arguments are wrong. */
void options_parse(struct options *options, int argc, char **argv);

#endif
