#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "timers.h"

/* How one connection ended, as its client saw it. */
enum outcome {
    OUTCOME_OK,      /* every byte as sent, then a clean end of file */
    OUTCOME_REFUSED, /* ECONNREFUSED */
    OUTCOME_RESET,   /* ECONNRESET or EPIPE, even after a whole answer */
    OUTCOME_SHORT,   /* a clean end of file before the whole answer */
    OUTCOME_WRONG,   /* a byte that differs, one too many, or one before the line was sent */
    OUTCOME_TIMEOUT, /* not over within the time allowed */
    OUTCOME_OTHER,   /* any other error */
    OUTCOME_COUNT
};

struct client;

struct run {
    const struct options *options;
    struct client *clients;
    char *lines; /* one for each client, end to end, each with the prefix in place */
    size_t prefix_bytes;
    int epoll;
    uint64_t seed;

    struct timer_queue deadlines; /* one for each connection under way */
    struct timer_queue holds;     /* connected, not sending yet */
    struct timer_queue backoffs;  /* between a failed connection and the next */

    bool stopping; /* begin no more connections */
    size_t active;
    uint64_t begun;
    uint64_t began_ns;
    uint64_t window_ends_ns; /* when stopping began, else when the last connection ended */
    uint64_t window_ok;      /* connections that ended well by then */

    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t ports_exhausted; /* attempts for which no local port was left; not connections */
    int first_other_error;
    struct histogram latency; /* ns, of OUTCOME_OK only */
};

/* Whether a client may begin another connection. */
static inline bool run_has_more(const struct run *run)
{
    const uint64_t bound = run->options->connections;
    return !run->stopping && (bound == 0 || run->begun < bound);
}

/* Runs to its end. Returns 0, or -1 with a sentence on standard error. */
int run_all(struct run *run, const struct options *options);

#endif
