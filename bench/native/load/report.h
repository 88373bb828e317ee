#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "client.h"
#include "idle.h"
#include "run.h"

/* Prints the run as one JSON object, on one line, to standard output. Returns 0, -1 on failure. */
int report_print(const struct run *run, const struct idle *idle);

/* Writes how a client's connection has failed, as one JSON object on one line, to standard error. */
void report_failure(const struct client *client, enum outcome outcome);

#endif
