#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "idle.h"
#include "run.h"

/* Prints the run as one JSON object, on one line, to standard output. Returns 0, -1 on failure. */
int report_print(const struct run *run, const struct idle *idle);

#endif
