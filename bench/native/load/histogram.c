#include "histogram.h"

static unsigned shift_of(uint64_t value)
{
    if (value < (UINT64_C(1) << HISTOGRAM_BITS))
        return 0;
    return 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
}

/* Adjacent by construction: the last bucket of one shift is followed by the first of the next. */
static unsigned bucket_of(uint64_t value)
{
    unsigned shift = shift_of(value);
    return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

static uint64_t middle_of(unsigned bucket)
{
    unsigned per_octave = 1u << HISTOGRAM_BITS;
    if (bucket < 2 * per_octave)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - (shift << HISTOGRAM_BITS)) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[bucket_of(value)]++;
}

void histogram_add(struct histogram *histogram, const struct histogram *from)
{
    histogram->count += from->count;
    histogram->sum += from->sum;
    if (from->max > histogram->max)
        histogram->max = from->max;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        histogram->buckets[bucket] += from->buckets[bucket];
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return 0;
    const double wanted = quantile * (double)histogram->count;
    uint64_t rank = (uint64_t)wanted;
    if ((double)rank < wanted) /* nearest rank: rounded up */
        rank++;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= rank && histogram->buckets[bucket] > 0) {
            uint64_t middle = middle_of(bucket);
            return middle < histogram->max ? middle : histogram->max;
        }
    }
    return histogram->max;
}
