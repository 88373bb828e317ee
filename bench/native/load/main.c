/*
 * A load generator for line servers: closed loop, loopback only. Each client connects,
 * sends a line that no other connection sends, reads to end of file, checks every byte, and begins
 * again. Exit status: 0 the run was completed, whatever it counted; 1 it could not be completed; 2
 * usage.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "idle.h"
#include "options.h"
#include "processes.h"
#include "report.h"
#include "run.h"

/* Standard streams, the epoll set, and a few spare ones. */
#define OTHER_DESCRIPTORS 16

static int allow_descriptors(const struct options *options)
{
    struct rlimit limit;
    const rlim_t wanted = options->clients + options->idle + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    if (limit.rlim_cur >= wanted)
        return 0;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return limit.rlim_cur < wanted ? -1 : setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static struct run run; /* holds the histogram: large for a stack */
    struct options options;
    struct idle idle;
    options_parse(&options, argc, argv);
    if (allow_descriptors(&options) < 0) {
        fprintf(stderr, "Cannot open %zu sockets: the limit of open files is too low\n",
                options.clients + options.idle);
        return LOAD_EXIT_FAILED;
    }
    if (idle_open(&idle, &options) < 0) {
        perror("Allocating the idle clients");
        return LOAD_EXIT_FAILED;
    }
    if ((options.processes > 1 ? processes_run(&run, &options) : run_all(&run, &options)) < 0)
        return LOAD_EXIT_FAILED;
    idle_close(&idle);
    return report_print(&run, &idle) < 0 ? LOAD_EXIT_FAILED : 0;
}
