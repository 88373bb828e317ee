#include "line.h"

#define NUMBER_DIGITS (LINE_LEAST_BYTES - 2)

static uint64_t scramble(uint64_t state)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void line_fill(char *line, size_t bytes, uint64_t number, uint64_t seed)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    static const char digits[] = "0123456789abcdef";
    for (int i = NUMBER_DIGITS - 1; i >= 0; i--, number >>= 4) {
        line[i] = digits[number & 15];
        seed = seed * 31 + (number & 15) + 1;
    }
    uint64_t state = seed | 1; /* once at zero, the generator would stay there for ever */
    size_t at = NUMBER_DIGITS;
    while (at < bytes - 2) {
        state = scramble(state);
        /* Ten letters per step, of six bits each: generating the lines must not dominate the measurement. */
        uint64_t bits = state;
        for (int i = 0; i < 10 && at < bytes - 2; i++, bits >>= 6)
            line[at++] = letters[bits & 63];
    }
    line[bytes - 2] = '\r';
    line[bytes - 1] = '\n';
}
