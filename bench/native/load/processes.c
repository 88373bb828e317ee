#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define PROCESSES_MOST 64

/* Written before the handler is installed, and read by it. */
static pid_t children[PROCESSES_MOST];
static unsigned children_count;

/* A child that has got the signal ends its run early and leaves its figures. */
static void pass_on(int number)
{
    for (unsigned i = 0; i < children_count; i++)
        kill(children[i], number);
}

/* The part of `all` that falls to one of `count` processes: as equal as whole numbers allow. */
static uint64_t share_of(uint64_t all, unsigned index, unsigned count)
{
    return all / count + (index < all % count);
}

static struct options options_of(const struct options *all, unsigned index, unsigned count)
{
    struct options own = *all;
    own.clients = share_of(all->clients, index, count);
    if (all->connections > 0)
        own.connections = share_of(all->connections, index, count);
    return own;
}

static _Noreturn void child(struct run *run, const struct options *options)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* without its parent, nobody would read its figures */
    exit(run_all(run, options) < 0);
}

static void block(int how)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(how, &signals, NULL);
}

static int start(struct run *runs, const struct options *options, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct options own = options_of(options, i, count);
        const pid_t pid = fork();
        if (pid == 0)
            child(&runs[i], &own);
        if (pid < 0) {
            fprintf(stderr, "fork failed: %s\n", strerror(errno));
            return -1;
        }
        children[children_count++] = pid;
    }
    return 0;
}

/* Waits for every child, whatever became of the others. */
static int reap(void)
{
    int result = 0;
    for (unsigned i = 0; i < children_count; i++) {
        int status = 0;
        while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
            continue;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            result = -1;
    }
    return result;
}

static void add(struct run *total, const struct run *part)
{
    total->begun += part->begun;
    total->window_ok += part->window_ok;
    total->ports_exhausted += part->ports_exhausted;
    if (part->began_ns < total->began_ns)
        total->began_ns = part->began_ns;
    if (part->window_ends_ns > total->window_ends_ns)
        total->window_ends_ns = part->window_ends_ns;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        total->outcomes[i] += part->outcomes[i];
    if (total->first_other_error == 0)
        total->first_other_error = part->first_other_error;
    histogram_add(&total->latency, &part->latency);
}

int processes_run(struct run *total, const struct options *options)
{
    const unsigned count = options->processes;
    const size_t bytes = count * sizeof(struct run);
    struct run *runs =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (runs == MAP_FAILED) {
        fprintf(stderr, "mmap failed: %s\n", strerror(errno));
        return -1;
    }
    fflush(NULL); /* or each child would write what is buffered once more */
    block(SIG_BLOCK);
    int result = start(runs, options, count);
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    block(SIG_UNBLOCK);
    if (result < 0)
        pass_on(SIGTERM);
    if (reap() < 0)
        result = -1;
    *total = (struct run){.options = options, .began_ns = UINT64_MAX};
    for (unsigned i = 0; i < count; i++)
        add(total, &runs[i]);
    munmap(runs, bytes);
    return result;
}
