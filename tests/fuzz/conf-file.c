/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file: the input is its bytes. Whatever it is, what is wrong with it is told in
 * lines that name the file, and what --show-config prints of it can be read again, to the same end.
 */
#include "conf-file.h"

#include "fuzz.h"

#include <string.h>

#define NAME "fuzzed.conf"

static void check_lines(const struct findings *findings)
{
    fuzz_must(!findings->command_line, "a file has said \"%s\"", findings->command_line);
    fuzz_must(!findings->bad || findings->lines, "a file is refused without a reason");
    for (const char *at = findings->lines ? findings->lines->str : ""; *at;) {
        const char *end = strchr(at, '\n');

        fuzz_must(strncmp(at, NAME ":", strlen(NAME ":")) == 0, "no file is named: %s", at);
        fuzz_must(end && end - at > (long)strlen(NAME ": "), "an empty line: %s", at);
        at = end + 1;
    }
}

static void check_shown(const struct settings *settings)
{
    struct findings findings = {0};
    struct settings again;
    char *differences;
    char *text = settings_show(settings);

    settings_init(&again);
    conf_file_parse(NAME, text, strlen(text), &again, &findings);
    fuzz_must(!findings.lines, "of what is shown is said: %s", findings.lines->str);
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        fuzz_must(g_strcmp0(settings->of[id].value, again.of[id].value) == 0,
                  "%s=%s is shown, and read as %s", option_table[id].name, settings->of[id].value,
                  again.of[id].value);
    differences = sections_differences(&settings->sections, &again.sections);
    /* What holds for all is shown also when nobody said it. */
    fuzz_must(!differences[0] || strcmp(differences, "[Default]") == 0,
              "shown and read otherwise: %s", differences);
    g_free(differences);
    settings_clear(&again);
    findings_clear(&findings);
    g_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct findings findings = {0};
    struct settings settings;
    char *text = malloc(size + 1);

    fuzz_must(text, "no memory");
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    settings_init(&settings);
    conf_file_parse(NAME, text, size, &settings, &findings);
    check_lines(&findings);
    check_shown(&settings);
    settings_clear(&settings);
    findings_clear(&findings);
    free(text);
    return 0;
}
