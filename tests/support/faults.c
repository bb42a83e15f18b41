/* SPDX-License-Identifier: BSD-2-Clause */
#include "faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FAULTS_MAX 64

struct rule {
    bool any_code;
    uint32_t code;
    uint64_t nth, times, seen;
    struct fault fault;
};

struct faults {
    char *path;
    struct stat read; /* of the file as it was read; all 0 for none */
    size_t count;
    struct rule rules[FAULTS_MAX];
};

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && *value <= UINT32_MAX && *text != '-';
}

static bool set_fault(struct rule *rule, enum fault_kind kind, uint64_t value)
{
    if (rule->fault.kind != FAULT_NONE)
        return false;
    rule->fault = (struct fault){kind, (uint32_t)value};
    return true;
}

static bool parse_word(struct rule *rule, char *word)
{
    char *equals = strchr(word, '=');
    uint64_t value;

    if (strcmp(word, "drop") == 0)
        return set_fault(rule, FAULT_DROP, 0);
    if (strcmp(word, "garbage") == 0)
        return set_fault(rule, FAULT_GARBAGE, 0);
    if (strcmp(word, "code=*") == 0) {
        rule->any_code = true;
        return true;
    }
    if (!equals || !parse_number(equals + 1, &value))
        return false;
    *equals = '\0';
    if (strcmp(word, "rc") == 0)
        return set_fault(rule, FAULT_RC, value);
    if (strcmp(word, "cut") == 0)
        return set_fault(rule, FAULT_CUT, value);
    if (strcmp(word, "delay") == 0)
        return set_fault(rule, FAULT_DELAY, value);
    if (strcmp(word, "code") == 0)
        rule->code = (uint32_t)value;
    else if (strcmp(word, "nth") == 0 && value > 0)
        rule->nth = value;
    else if (strcmp(word, "times") == 0)
        rule->times = value;
    else
        return false;
    return true;
}

/* Reads one line; an empty one or a comment leaves the rule's kind at FAULT_NONE. */
static bool parse_line(struct rule *rule, char *line)
{
    char *rest = line, *word;
    bool words = false;

    *rule = (struct rule){.nth = 1, .times = 1};
    while ((word = strtok_r(rest, " \t\r\n", &rest))) {
        if (!words && *word == '#')
            return true;
        words = true;
        if (!parse_word(rule, word))
            return false;
    }
    return !words || (rule->fault.kind != FAULT_NONE && (rule->any_code || rule->code != 0));
}

static void read_script(struct faults *faults)
{
    FILE *file = fopen(faults->path, "re");
    char line[256];
    unsigned number = 0;

    faults->count = 0;
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        struct rule rule;

        number++;
        if (!parse_line(&rule, line) || faults->count == FAULTS_MAX) {
            fprintf(stderr, "%s:%u: no fault rule, or one too many; no faults will happen\n",
                    faults->path, number);
            faults->count = 0;
            break;
        }
        if (rule.fault.kind != FAULT_NONE)
            faults->rules[faults->count++] = rule;
    }
    fclose(file);
}

static void refresh(struct faults *faults)
{
    struct stat st;

    if (stat(faults->path, &st) < 0)
        memset(&st, 0, sizeof(st));
    if (st.st_ino == faults->read.st_ino && st.st_size == faults->read.st_size
        && st.st_mtim.tv_sec == faults->read.st_mtim.tv_sec
        && st.st_mtim.tv_nsec == faults->read.st_mtim.tv_nsec)
        return;
    read_script(faults);
    faults->read = st;
}

struct faults *faults_new(const char *path)
{
    struct faults *faults = calloc(1, sizeof(*faults));

    if (faults && !(faults->path = strdup(path))) {
        free(faults);
        return NULL;
    }
    return faults;
}

void faults_free(struct faults *faults)
{
    if (!faults)
        return;
    free(faults->path);
    free(faults);
}

struct fault faults_next(struct faults *faults, uint32_t code)
{
    struct fault fault = {FAULT_NONE, 0};

    refresh(faults);
    for (size_t i = 0; i < faults->count; i++) {
        struct rule *rule = &faults->rules[i];

        if (!rule->any_code && rule->code != code)
            continue;
        rule->seen++;
        if (fault.kind == FAULT_NONE && rule->seen >= rule->nth
            && (rule->times == 0 || rule->seen - rule->nth < rule->times))
            fault = rule->fault;
    }
    return fault;
}
