#ifndef LOAD_PROCESSES_H
#define LOAD_PROCESSES_H

#include "run.h"

/*
 * Shares the clients among options->processes processes, each with a loop of its own, so that one
 * processor's pace does not limit the load. Adds their results up in `total`. Returns 0, or -1 with
 * a sentence on standard error.
 */
int processes_run(struct run *total, const struct options *options);

#endif
