#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "line.h"
#include "report.h"
#include "source.h"

static enum outcome outcome_of(struct run *run, int error)
{
    switch (error) {
    case ECONNREFUSED:
        return OUTCOME_REFUSED;
    case ECONNRESET:
    case EPIPE:
        return OUTCOME_RESET;
    case ETIMEDOUT:
        return OUTCOME_TIMEOUT;
    default:
        if (run->first_other_error == 0)
            run->first_other_error = error;
        return OUTCOME_OTHER;
    }
}

/*
 * Only after a good connection does the client begin the next one at once. After a failed one it
 * waits, and begins from the loop: otherwise it would hammer a port that refuses as fast as the
 * machine can, and this function would recurse until the stack overflows.
 */
static void client_end(struct run *run, struct client *client, enum outcome outcome)
{
    uint64_t now = clock_ns();
    timer_cancel(&client->deadline);
    timer_cancel(&client->pause);
    if (outcome != OUTCOME_OK && run->options->tells_failures)
        report_failure(client, outcome);
    wire_close(client->wire);
    if (client->socket >= 0)
        close(client->socket); /* takes it out of the epoll set too */
    client->socket = -1;
    client->state = CLIENT_RESTING;
    run->active--;
    run->outcomes[outcome]++;
    if (outcome == OUTCOME_OK)
        histogram_record(&run->latency, now - client->began_ns);
    if (!run->stopping) {
        run->window_ends_ns = now;
        run->window_ok = run->outcomes[OUTCOME_OK];
    }
    if (outcome == OUTCOME_OK && run_has_more(run))
        client_begin(run, client);
    else
        timer_start(&run->backoffs, &client->pause, now);
}

static void client_fail(struct run *run, struct client *client, int error)
{
    client_end(run, client, outcome_of(run, error));
}

void client_begin(struct run *run, struct client *client)
{
    client->began_ns = clock_ns();
    int fd = source_connect(run->options, run->begun);
    int error = fd < 0 ? errno : 0;
    if (error == EADDRNOTAVAIL) {
        /* A shortage on this machine, not an answer of the server: nothing has begun, retry later. */
        run->ports_exhausted++;
        timer_start(&run->backoffs, &client->pause, client->began_ns);
        return;
    }
    client->socket = fd;
    client->state = CLIENT_CONNECTING;
    client->sent = client->received = 0;
    line_fill(client->line + run->prefix_bytes, run->options->line_bytes - run->prefix_bytes,
              run->begun, run->seed);
    run->begun++;
    run->active++;
    if (fd < 0) {
        client_fail(run, client, error);
        return;
    }
    timer_start(&run->deadlines, &client->deadline, client->began_ns);
    /* Edge-triggered: one call per connection instead of one per change of interest. */
    struct epoll_event interest = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = client,
    };
    if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &interest) < 0)
        client_fail(run, client, errno);
}

static void client_send(struct run *run, struct client *client)
{
    while (client->sent < run->options->line_bytes) {
        ssize_t count = wire_send(client->wire, client->line + client->sent,
                                  run->options->line_bytes - client->sent);
        if (count > 0) {
            client->sent += (size_t)count;
        } else if (errno == EAGAIN) {
            return; /* the next EPOLLOUT continues from here */
        } else if (errno != EINTR) {
            client_fail(run, client, errno);
            return;
        }
    }
}

/* Whether the bytes are the ones sent; a byte cannot come back before it was sent. */
static bool matches(const struct client *client, const char *bytes, size_t count)
{
    return count <= client->sent - client->received &&
           memcmp(bytes, client->line + client->received, count) == 0;
}

static void client_receive(struct run *run, struct client *client)
{
    static char buffer[65536];
    for (;;) {
        ssize_t count = wire_receive(client->wire, buffer, sizeof buffer);
        if (count > 0) {
            if (!matches(client, buffer, (size_t)count)) {
                client_end(run, client, OUTCOME_WRONG);
                return;
            }
            client->received += (size_t)count;
        } else if (count == 0) {
            bool whole = client->received == run->options->line_bytes;
            client_end(run, client, whole ? OUTCOME_OK : OUTCOME_SHORT);
            return;
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            client_fail(run, client, errno);
            return;
        }
    }
}

static void client_connected(struct run *run, struct client *client)
{
    if (wire_open(client->wire, client->socket) < 0) {
        client_fail(run, client, errno);
        return;
    }
    if (run->options->hold_ns > 0) {
        client->state = CLIENT_HOLDING;
        timer_start(&run->holds, &client->pause, clock_ns());
        return;
    }
    client->state = CLIENT_TALKING;
    client_send(run, client);
}

void client_on_events(struct run *run, struct client *client, uint32_t events)
{
    if (client->state == CLIENT_CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(client->socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
        if (error != 0) {
            client_fail(run, client, error);
            return;
        }
        client_connected(run, client);
    } else if (client->state == CLIENT_TALKING && (events & EPOLLOUT)) {
        client_send(run, client);
    }
    /*
     * Checked again, since sending may have ended the connection. In the holding state, this
     * notices a server that closes or speaks before it has been asked.
     */
    if (client->state >= CLIENT_HOLDING && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        client_receive(run, client);
}

void client_on_deadline(struct run *run, struct client *client)
{
    client_end(run, client, OUTCOME_TIMEOUT);
}

void client_on_hold_over(struct run *run, struct client *client)
{
    client->state = CLIENT_TALKING;
    client_send(run, client);
}
