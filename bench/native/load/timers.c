#include "timers.h"

#include <stddef.h>

void timer_queue_init(struct timer_queue *queue, uint64_t delay_ns)
{
    queue->ends.previous = queue->ends.next = &queue->ends;
    queue->delay_ns = delay_ns;
}

void timer_start(struct timer_queue *queue, struct timer *timer, uint64_t now_ns)
{
    timer_cancel(timer);
    timer->due_ns = now_ns + queue->delay_ns;
    timer->previous = queue->ends.previous;
    timer->next = &queue->ends;
    queue->ends.previous->next = timer;
    queue->ends.previous = timer;
}

void timer_cancel(struct timer *timer)
{
    if (timer->next == NULL)
        return;
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->previous = timer->next = NULL;
}

struct timer *timer_take_due(struct timer_queue *queue, uint64_t now_ns)
{
    struct timer *first = queue->ends.next;
    if (first == &queue->ends || first->due_ns > now_ns)
        return NULL;
    timer_cancel(first);
    return first;
}

uint64_t timer_next_ns(const struct timer_queue *queue)
{
    return queue->ends.next == &queue->ends ? UINT64_MAX : queue->ends.next->due_ns;
}
