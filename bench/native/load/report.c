#define _GNU_SOURCE
#include "report.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"

static const char *const names[OUTCOME_COUNT] = {
    [OUTCOME_OK] = "ok",       [OUTCOME_REFUSED] = "refused", [OUTCOME_RESET] = "reset",
    [OUTCOME_SHORT] = "short", [OUTCOME_WRONG] = "wrong",     [OUTCOME_TIMEOUT] = "timeout",
    [OUTCOME_OTHER] = "other",
};

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Of this process, and of those that shared the clients. */
static double cpu_seconds(void)
{
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    double sum = 0;
    for (size_t i = 0; i < sizeof whose / sizeof *whose; i++) {
        struct rusage usage;
        if (getrusage(whose[i], &usage) == 0)
            sum += seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    }
    return sum;
}

static double us(uint64_t ns)
{
    return (double)ns / (double)NS_PER_US;
}

/* Prints null rather than 0 when no connection ended well: no latency is not a latency of zero. */
static void print_latency(const struct histogram *latency)
{
    if (latency->count == 0) {
        printf("null");
        return;
    }
    printf("{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f,\"mean\":%.1f}",
           us(histogram_quantile(latency, 0.50)), us(histogram_quantile(latency, 0.90)),
           us(histogram_quantile(latency, 0.99)), us(latency->max),
           us(latency->sum) / (double)latency->count);
}

static void print_idle(const struct idle *idle)
{
    printf("{\"open\":%zu,\"closedByServer\":%zu,\"failed\":%zu}",
           idle->count - idle->failed - idle->closed, idle->closed, idle->failed);
}

void report_failure(const struct client *client, enum outcome outcome)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    struct timespec at;
    char host[INET_ADDRSTRLEN] = "";
    clock_gettime(CLOCK_REALTIME, &at); /* as a server's log has it */
    /* It has none when it was refused at once. */
    if (client->socket >= 0 && getsockname(client->socket, (struct sockaddr *)&address, &size) == 0)
        inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
    fprintf(stderr,
            "{\"outcome\":\"%s\",\"address\":\"%s:%u\",\"endedAtMs\":%lld,\"tookMs\":%.1f,"
            "\"sent\":%zu,\"received\":%zu}\n",
            names[outcome], host, ntohs(address.sin_port),
            (long long)at.tv_sec * 1000 + at.tv_nsec / 1000000,
            us(clock_ns() - client->began_ns) / 1e3, client->sent, client->received);
}

int report_print(const struct run *run, const struct idle *idle)
{
    const struct options *options = run->options;
    double seconds = (double)(run->window_ends_ns - run->began_ns) / (double)NS_PER_SECOND;
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &options->target.sin_addr, host, sizeof host);
    printf("{\"host\":\"%s\",\"port\":%u,\"clients\":%zu,\"lineBytes\":%zu,\"connections\":%llu", host,
           ntohs(options->target.sin_port), options->clients, options->line_bytes,
           (unsigned long long)run->begun);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        printf(",\"%s\":%llu", names[i], (unsigned long long)run->outcomes[i]);
    printf(",\"portsExhausted\":%llu", (unsigned long long)run->ports_exhausted);
    printf(",\"seconds\":%.6f,\"connectionsPerSecond\":%.1f", seconds,
           seconds > 0 ? (double)run->window_ok / seconds : 0);
    printf(",\"latencyUs\":");
    print_latency(&run->latency);
    printf(",\"idle\":");
    print_idle(idle);
    printf(",\"processes\":%u,\"cpuSeconds\":%.6f}\n", options->processes, cpu_seconds());
    if (run->first_other_error != 0)
        fprintf(stderr, "First of the other failures: %s\n", strerror(run->first_other_error));
    return fflush(stdout) == 0 ? 0 : -1;
}
