/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy-words.h"

#include "nearest.h"
#include "wire/command-name.h"

#include <glib.h>
#include <limits.h>

/* The parts of a TPM_CC that a number may have: the index and the vendor bit. */
#define POLICY_WORDS_CODE (TPMA_CC_COMMANDINDEX_MASK | TPMA_CC_V)

static const char *policy_words_nearest(const char *word)
{
    unsigned least = UINT_MAX;
    const char *nearest = "", *name;
    uint32_t code = 0;

    if (g_ascii_strncasecmp(word, "TPM2_", 5) == 0)
        word += 5;
    while ((name = command_name_next(&code))) {
        unsigned distance = nearest_distance(word, name);

        if (distance >= least)
            continue;
        least = distance;
        nearest = name;
    }
    return nearest;
}

/* The code of a word, or 0. */
static uint32_t policy_words_code(const char *word)
{
    guint64 number;

    if (g_ascii_strncasecmp(word, "0x", 2) != 0)
        return command_name_find(word);
    if (!g_ascii_string_to_unsigned(word + 2, 16, 1, UINT32_MAX, &number, NULL)
        || number & ~(guint64)POLICY_WORDS_CODE)
        return 0;
    return (uint32_t)number;
}

static void policy_words_complain(const char *word, policy_words_wrong_fn *wrong, void *data)
{
    g_autofree char *what = NULL;

    if (!word[0])
        what = g_strdup("a word is empty");
    else if (g_ascii_isdigit(word[0]))
        what = g_strdup_printf("%s is no command code", word);
    else
        what = g_strdup_printf("there is no command \"%s\"; the nearest is \"%s\"", word,
                               policy_words_nearest(word));
    wrong(data, what);
}

void policy_words_change(struct policy *policy, const char *list,
                         bool (*change)(struct policy *policy, uint32_t code),
                         policy_words_wrong_fn *wrong, void *data)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    if (!words[0])
        policy_words_complain("", wrong, data);
    for (unsigned i = 0; words[i]; i++) {
        const char *word = g_strstrip(words[i]);
        uint32_t code = policy_words_code(word);

        if (code == 0)
            policy_words_complain(word, wrong, data);
        else if (!change(policy, code))
            wrong(data, "there are more numbers of commands than can be kept, " G_STRINGIFY(
                            POLICY_OTHERS));
    }
}
