#define _GNU_SOURCE
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "line.h"

static const char usage[] =
    "usage: load --port N [options]\n"
    "  --host ADDRESS    target, in 127.0.0.0/8 only [127.0.0.1]\n"
    "  --clients N       concurrent clients [1]\n"
    "  --connections N   stop after N connections\n"
    "  --seconds S       stop after S seconds, fractions allowed\n"
    "  --timeout-ms MS   limit of one connection, connect to end of file [10000]\n"
    "  --line-bytes N    length of the line sent, CRLF included [32]\n"
    "  --prefix TEXT     first bytes of each line, such as \"burn 2 \" []\n"
    "  --hold-ms MS      wait between connecting and sending [0]\n"
    "  --idle N          further clients that connect and send nothing [0]\n"
    "  --backoff-ms MS   wait after a failed connection [10]\n"
    "  --sources N       local addresses to use in turn [64]\n"
    "  --resume          with TLS: go on with the session of the client's last connection\n"
    "  --tell-failures   write each failed connection to standard error, as JSON\n"
    "  --processes N     processes that share the clients, at most one per client [1]\n"
    "Give --connections, --seconds, or both. Prints one JSON object.\n";

static _Noreturn void refuse(const char *name, const char *got, const char *expected)
{
    fprintf(stderr, "Option --%s is '%s', expected %s\n", name, got, expected);
    exit(LOAD_EXIT_USAGE);
}

static uint64_t whole_number(const char *name, const char *text, uint64_t least, uint64_t most)
{
    char expected[80];
    snprintf(expected, sizeof expected, "a whole number from %llu to %llu",
             (unsigned long long)least, (unsigned long long)most);
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* strtoull accepts a sign and leading blanks, and turns -1 into the largest number. */
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        refuse(name, text, expected);
    if (value < least || value > most)
        refuse(name, text, expected);
    return value;
}

static uint64_t milliseconds(const char *name, const char *text, uint64_t least)
{
    return whole_number(name, text, least, 3600000) * NS_PER_MS;
}

static uint64_t seconds(const char *name, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0.001 || value > 86400)
        refuse(name, text, "seconds from 0.001 to 86400");
    return (uint64_t)(value * (double)NS_PER_SECOND);
}

static struct in_addr loopback(const char *name, const char *text)
{
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1 || ntohl(address.s_addr) >> 24 != IN_LOOPBACKNET)
        refuse(name, text, "an IPv4 address in 127.0.0.0/8");
    return address;
}

static const char *prefix(const char *name, const char *text)
{
    if (strpbrk(text, "\r\n") != NULL)
        refuse(name, text, "text on one line");
    return text;
}

static void apply(struct options *options, const char *name, const char *text)
{
    if (strcmp(name, "host") == 0)
        options->target.sin_addr = loopback(name, text);
    else if (strcmp(name, "port") == 0)
        options->target.sin_port = htons((uint16_t)whole_number(name, text, 1, 65535));
    else if (strcmp(name, "clients") == 0)
        options->clients = whole_number(name, text, 0, 100000);
    else if (strcmp(name, "idle") == 0)
        options->idle = whole_number(name, text, 0, 100000);
    else if (strcmp(name, "connections") == 0)
        options->connections = whole_number(name, text, 1, UINT64_C(1) << 40);
    else if (strcmp(name, "seconds") == 0)
        options->seconds_ns = seconds(name, text);
    else if (strcmp(name, "timeout-ms") == 0)
        options->timeout_ns = milliseconds(name, text, 1);
    else if (strcmp(name, "hold-ms") == 0)
        options->hold_ns = milliseconds(name, text, 0);
    else if (strcmp(name, "backoff-ms") == 0)
        options->backoff_ns = milliseconds(name, text, 0);
    else if (strcmp(name, "line-bytes") == 0)
        options->line_bytes = whole_number(name, text, LINE_LEAST_BYTES, 1048576);
    else if (strcmp(name, "prefix") == 0)
        options->prefix = prefix(name, text);
    else if (strcmp(name, "processes") == 0)
        options->processes = (unsigned)whole_number(name, text, 1, 64);
    else
        options->sources = (unsigned)whole_number(name, text, 1, 254);
}

static _Noreturn void refuse_all(const char *why)
{
    fprintf(stderr, "%s\n\n%s", why, usage);
    exit(LOAD_EXIT_USAGE);
}

static void check(const struct options *options)
{
    if (options->target.sin_port == 0)
        refuse_all("Option --port is missing");
    if (options->connections == 0 && options->seconds_ns == 0)
        refuse_all("Give --connections, --seconds, or both");
    if (options->clients == 0 && options->idle == 0)
        refuse_all("Give --clients or --idle: without either there is nothing to do");
    if (options->clients == 0 && options->seconds_ns == 0)
        refuse_all("Give --seconds: idle clients alone never reach --connections");
    if (strlen(options->prefix) + LINE_LEAST_BYTES > options->line_bytes)
        refuse_all("Option --line-bytes leaves no room for the prefix, 12 digits and CRLF");
}

void options_parse(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 1},       {"port", required_argument, NULL, 1},
        {"clients", required_argument, NULL, 1},    {"idle", required_argument, NULL, 1},
        {"connections", required_argument, NULL, 1}, {"seconds", required_argument, NULL, 1},
        {"timeout-ms", required_argument, NULL, 1}, {"hold-ms", required_argument, NULL, 1},
        {"backoff-ms", required_argument, NULL, 1}, {"line-bytes", required_argument, NULL, 1},
        {"sources", required_argument, NULL, 1},    {"prefix", required_argument, NULL, 1},
        {"processes", required_argument, NULL, 1},  {"help", no_argument, NULL, 2},
        {"resume", no_argument, NULL, 3},           {"tell-failures", no_argument, NULL, 4},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){
        .target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .clients = 1,
        .timeout_ns = 10 * NS_PER_SECOND,
        .backoff_ns = 10 * NS_PER_MS,
        .line_bytes = 32,
        .prefix = "",
        .sources = 64,
        .processes = 1,
    };
    int which = 0;
    int outcome;
    while ((outcome = getopt_long(argc, argv, "", known, &which)) != -1) {
        if (outcome == 2) {
            fputs(usage, stdout);
            exit(0);
        }
        if (outcome == 3) {
            options->resume = true;
            continue;
        }
        if (outcome == 4) {
            options->tells_failures = true;
            continue;
        }
        if (outcome != 1) /* getopt has reported the error */
            exit(LOAD_EXIT_USAGE);
        apply(options, known[which].name, optarg);
    }
    if (optind < argc)
        refuse_all("Got an argument that is not an option");
    check(options);
    /* A process without clients would have nothing to do. */
    if (options->clients > 0 && options->clients < options->processes)
        options->processes = (unsigned)options->clients;
    if (options->clients == 0)
        options->processes = 1;
}
