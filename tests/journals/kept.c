/* SPDX-License-Identifier: BSD-2-Clause */
#include "kept.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_LINE 32 /* bytes of each */
#define KEPT_PAGE 4096
#define KEPT_MOST (1 << 24)

static bool kept_is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

void kept_write(FILE *out, const uint8_t *bytes, size_t size, const char *words)
{
    for (const char *end; (end = strchr(words, '\n')); words = end + 1)
        fprintf(out, "> %.*s\n", (int)(end - words), words);
    fprintf(out, "size %zu\n", size);
    for (size_t at = 0; at < size; at += KEPT_LINE) {
        size_t count = size - at < KEPT_LINE ? size - at : KEPT_LINE;

        if (kept_is_zero(bytes + at, count))
            continue;
        fprintf(out, "%06zx: ", at);
        for (size_t i = 0; i < count; i++)
            fprintf(out, "%02x", bytes[at + i]);
        fprintf(out, "\n");
    }
}

static bool kept_read_bytes(struct kept *kept, const char *line)
{
    char *digits;
    size_t at = strtoul(line, &digits, 16);
    unsigned byte;

    if (strncmp(digits, ": ", 2) != 0)
        return false;
    for (digits += 2; *digits != '\n'; digits += 2, at++) {
        if (at >= kept->size || sscanf(digits, "%2x", &byte) != 1)
            return false;
        kept->bytes[at] = (uint8_t)byte;
    }
    return true;
}

static bool kept_read_size(struct kept *kept, const char *line)
{
    kept->size = strtoul(line, NULL, 10);
    if (kept->bytes || kept->size == 0 || kept->size > KEPT_MOST || kept->size % KEPT_PAGE)
        return false;
    kept->bytes = aligned_alloc(KEPT_PAGE, kept->size);
    if (!kept->bytes)
        return false;
    memset(kept->bytes, 0, kept->size);
    return true;
}

static bool kept_read_line(struct kept *kept, const char *line, FILE *words)
{
    if (line[0] == '#')
        return true;
    if (strncmp(line, "> ", 2) == 0)
        return fputs(line + 2, words) >= 0;
    if (strncmp(line, "size ", 5) == 0)
        return kept_read_size(kept, line + 5);
    return kept_read_bytes(kept, line);
}

bool kept_read(struct kept *kept, const char *path)
{
    FILE *file = fopen(path, "r"), *words;
    size_t words_size, room = 0;
    char *line = NULL;
    bool good = file != NULL;

    *kept = (struct kept){0};
    words = open_memstream(&kept->words, &words_size);
    while (good && words && getline(&line, &room, file) > 0)
        good = kept_read_line(kept, line, words);
    free(line);
    if (file)
        fclose(file);
    if (words)
        fclose(words);
    if (good && words && kept->bytes)
        return true;
    kept_clear(kept);
    return false;
}

void kept_clear(struct kept *kept)
{
    free(kept->bytes);
    free(kept->words);
    *kept = (struct kept){0};
}
