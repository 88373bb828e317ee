#ifndef LOAD_LINE_H
#define LOAD_LINE_H

#include <stddef.h>
#include <stdint.h>

/* Twelve digits for the number, and the CRLF. */
#define LINE_LEAST_BYTES 14

/*
 * Fills exactly `bytes` bytes: the connection's number in hexadecimal, letters that depend on the
 * number and on the seed, CRLF. No two connections of a run send the same line, nor (where there is
 * room for letters) do two runs, so an answer meant for someone else cannot pass for the right one.
 */
void line_fill(char *line, size_t bytes, uint64_t number, uint64_t seed);

#endif
