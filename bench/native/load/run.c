#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"

#define EVENTS_AT_ONCE 256

#define CLIENT_OF(timer, member) ((struct client *)((char *)(timer)-offsetof(struct client, member)))

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
    (void)number;
    told_to_stop = 1;
}

/*
 * INT and TERM end the run early, and its figures are still printed. They are blocked except while
 * waiting for events: otherwise a signal between the check of the flag and the wait would go
 * unnoticed.
 */
static void catch_signals(sigset_t *while_waiting)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigprocmask(SIG_BLOCK, &blocked, while_waiting);
    sigdelset(while_waiting, SIGINT);
    sigdelset(while_waiting, SIGTERM);
}

static int fail(const char *what)
{
    fprintf(stderr, "%s failed: %s\n", what, strerror(errno));
    return -1;
}

static int set_up(struct run *run, const struct options *options)
{
    memset(run, 0, sizeof *run);
    run->options = options;
    run->prefix_bytes = strlen(options->prefix);
    run->seed = clock_ns() ^ ((uint64_t)getpid() << 40);
    timer_queue_init(&run->deadlines, options->timeout_ns);
    timer_queue_init(&run->holds, options->hold_ns);
    timer_queue_init(&run->backoffs, options->backoff_ns);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run->epoll < 0)
        return fail("epoll_create1");
    run->clients = calloc(options->clients + 1, sizeof *run->clients);
    run->lines = malloc(options->clients * options->line_bytes + 1);
    if (run->clients == NULL || run->lines == NULL)
        return fail("Allocating the clients");
    for (size_t i = 0; i < options->clients; i++) {
        run->clients[i].socket = -1;
        run->clients[i].wire = wire_new(options->resume);
        if (run->clients[i].wire == NULL)
            return fail("Allocating a client");
        run->clients[i].line = run->lines + i * options->line_bytes;
        memcpy(run->clients[i].line, options->prefix, run->prefix_bytes);
    }
    return 0;
}

static void stop_beginning(struct run *run, uint64_t now)
{
    if (run->stopping)
        return;
    run->stopping = true;
    run->window_ends_ns = now;
    run->window_ok = run->outcomes[OUTCOME_OK];
}

static uint64_t time_is_up_ns(const struct run *run)
{
    const uint64_t bound = run->options->seconds_ns;
    return bound == 0 ? UINT64_MAX : run->began_ns + bound;
}

static void act_on_time(struct run *run)
{
    uint64_t now = clock_ns();
    struct timer *timer;
    if (told_to_stop || now >= time_is_up_ns(run))
        stop_beginning(run, now);
    while ((timer = timer_take_due(&run->deadlines, now)) != NULL)
        client_on_deadline(run, CLIENT_OF(timer, deadline));
    while ((timer = timer_take_due(&run->holds, now)) != NULL)
        client_on_hold_over(run, CLIENT_OF(timer, pause));
    /*
     * A client whose attempt fails at once queues itself again. Without a backoff it would be due
     * again in the same instant, for ever, so the loop takes at most as many timers as there are
     * clients.
     */
    for (size_t i = 0; i < run->options->clients; i++) {
        if ((timer = timer_take_due(&run->backoffs, now)) == NULL)
            break;
        if (run_has_more(run))
            client_begin(run, CLIENT_OF(timer, pause));
    }
}

static bool is_over(const struct run *run)
{
    if (run->active > 0)
        return false;
    return run->options->clients > 0 ? !run_has_more(run) : run->stopping;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Rounded up: waking a fraction too early would spin until the timer is due. */
static int wait_ms(const struct run *run)
{
    uint64_t due = least(timer_next_ns(&run->deadlines), timer_next_ns(&run->holds));
    if (run_has_more(run))
        due = least(due, timer_next_ns(&run->backoffs));
    if (!run->stopping)
        due = least(due, time_is_up_ns(run));
    if (due == UINT64_MAX)
        return -1;
    uint64_t now = clock_ns();
    uint64_t wait = due > now ? (due - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    return (int)least(wait, 3600000);
}

int run_all(struct run *run, const struct options *options)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    sigset_t while_waiting;
    if (set_up(run, options) < 0)
        return -1;
    catch_signals(&while_waiting);
    run->began_ns = run->window_ends_ns = clock_ns();
    for (size_t i = 0; i < options->clients && run_has_more(run); i++)
        client_begin(run, &run->clients[i]);
    for (;;) {
        act_on_time(run);
        if (is_over(run))
            break;
        int count = epoll_pwait(run->epoll, events, EVENTS_AT_ONCE, wait_ms(run), &while_waiting);
        if (count < 0 && errno != EINTR)
            return fail("epoll_pwait");
        for (int i = 0; i < count; i++)
            client_on_events(run, events[i].data.ptr, events[i].events);
    }
    close(run->epoll);
    free(run->clients);
    free(run->lines);
    return 0;
}
