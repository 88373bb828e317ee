#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

/*
 * Log-linear: each power of two has 128 equal buckets, so a value is off by less than 0.8 % whether
 * it is microseconds or minutes, and the memory does not grow with the length of the run.
 */
#define HISTOGRAM_BITS 7
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value);

/* Adds what `from` has recorded. */
void histogram_add(struct histogram *histogram, const struct histogram *from);

/* The middle of the bucket that holds the given quantile (0 to 1); 0 when nothing was recorded. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
