#ifndef LOAD_TIMERS_H
#define LOAD_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Every timer of one kind has the same delay, so a queue in order of arrival is also in order of
 * expiry: starting and cancelling cost the same with ten clients as with ten thousand.
 */
struct timer {
    struct timer *previous;
    struct timer *next;
    uint64_t due_ns;
};

struct timer_queue {
    struct timer ends; /* circular: ends.next is due first */
    uint64_t delay_ns;
};

void timer_queue_init(struct timer_queue *queue, uint64_t delay_ns);
void timer_start(struct timer_queue *queue, struct timer *timer, uint64_t now_ns);
void timer_cancel(struct timer *timer);

/* Removes and returns the first timer that is due; NULL when none is. */
struct timer *timer_take_due(struct timer_queue *queue, uint64_t now_ns);

/* The time at which the first timer is due; UINT64_MAX when there is none. */
uint64_t timer_next_ns(const struct timer_queue *queue);

#endif
