/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the journal of this version that is kept for later ones, to standard output. It is the
 * same at each run.
 *
 *   build-test/tests/journals/make-journal > tests/journals/VERSION-ARCHITECTURE.list
 */
#include "describe.h"
#include "fuzz.h"
#include "kept.h"
#include "sample.h"

int main(void)
{
    static struct sample sample;
    char *words = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&words, &size);

    sample_make(&sample);
    fuzz_must(
        out && describe(out, sample.plain.memory.bytes, sample_size(&sample), PLAIN_JOURNAL_OWNER),
        "the journal is not good");
    fclose(out);
    printf("# A journal of tabrmd, as tests/journals/make-journal writes it.\n");
    kept_write(stdout, sample.plain.memory.bytes, sample_size(&sample), words);
    free(words);
    sample_clear(&sample);
    return 0;
}
