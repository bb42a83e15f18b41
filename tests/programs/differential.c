/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same calls of tpm2-tools, on a TPM of their own and through the daemon. A case is a shell
 * function that writes a transcript (differential.sh says how). It runs once for each arrangement
 * below, in a world of its own; then the transcripts are set against that of the bare TPM, word
 * for word. Where the daemon answers for itself, `own_answers` says with what, and why.
 *
 * The argument is the theme whose cases are to run: differential/THEME.sh.
 */
#include "shell.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static const char *const released_at_once[] = {"--idle-release=0", NULL};

static const struct arrangement {
    const char *name;
    bool bare;
    const char *const *args; /* of the daemon */
} arrangements[] = {
    {.name = "the TPM itself", .bare = true},
    {.name = "the daemon"},
    {.name = "the daemon with --idle-release=0", .args = released_at_once},
};

/* Numbers that differ in lines with these words. A client's handles and saved sessions are the
 * daemon's to know: it answers in its own layer's name (0xB0000), and no TPM is asked. */
static const struct own_answer {
    const char *line; /* has this in it */
    unsigned long tpm, daemon;
    const char *reason;
} own_answers[] = {
    {"Esys_TR_FromTPMPublic", 0x910, 0xB0910, "an object that the client does not have"},
    {"Esys_TR_FromTPMPublic", 0x184, 0xB0910,
     "the same, by a number beyond the three that a TPM has: clients may have any number"},
    {"Esys_ContextSave", 0x184, 0xB0910, "no object, as above, to be saved"},
    {"Esys_ContextSave", 0x910, 0xB0910, "a session to be saved that has ended with its command"},
    {"Esys_FlushContext", 0x1CB, 0xB01CB, "a session to be flushed that the client does not have"},
    {"Esys_ContextLoad", 0x1CB, 0xB01CB,
     "a saved session that has ended, or another state of which is the newer"},
    {"TPM2_PT_CONTEXT_GAP_MAX", 0xFFFF, 0xFFFFFFFF,
     "saved sessions of clients do not age: the daemon renews them"},
};

static const struct differential_case {
    const char *theme, *name, *function;
} cases[] = {
    {"information", "R29_what_the_tpm_tells_of_itself", "case_capabilities"},
    {"information", "parameters_of_algorithms", "case_parameters"},
    {"information", "self_tests", "case_self_tests"},
    {"information", "random_numbers", "case_random"},
    {"information", "startup_and_shutdown", "case_startup"},
    {"information", "the_clock", "case_clock"},
    {"information", "commands_as_bytes", "case_raw_commands"},
    {"keys", "rsa_keys", "case_rsa"},
    {"keys", "ecc_keys", "case_ecc"},
    {"keys", "key_agreement", "case_key_agreement"},
    {"keys", "anonymous_signatures", "case_anonymous_signatures"},
    {"keys", "symmetric_keys", "case_symmetric"},
    {"keys", "hashes_and_macs", "case_hashes"},
    {"keys", "restricted_keys", "case_restricted_key"},
    {"objects", "R18_many_objects", "case_many_objects"},
    {"objects", "unknown_handles", "case_unknown_handles"},
    {"objects", "damaged_contexts", "case_damaged_contexts"},
    {"objects", "sealed_data", "case_sealed_data"},
    {"objects", "creation_data", "case_creation_data"},
    {"objects", "external_keys", "case_external_keys"},
    {"objects", "imported_keys", "case_imported_keys"},
    {"objects", "duplicates", "case_duplicates"},
    {"attestation", "quotes_and_credentials", "case_quote_and_credential"},
    {"attestation", "R20_a_persistent_attestation_key", "case_persistent_attestation_key"},
    {"attestation", "R27_audits", "case_audit"},
    {"attestation", "R27_the_digest_of_an_audit", "case_audit_digest"},
    {"storage", "pcrs", "case_pcrs"},
    {"storage", "R20_nv_indices", "case_nv_indices"},
    {"storage", "R20_nv_counters", "case_nv_counters"},
    {"storage", "R20_nv_authorization", "case_nv_authorization"},
    {"storage", "R20_persistent_objects", "case_persistent_objects"},
    {"authorizations", "passwords", "case_passwords"},
    {"authorizations", "R19_hierarchies", "case_hierarchies"},
    {"authorizations", "the_lockout", "case_lockout"},
    {"authorizations", "R27_hmac_sessions", "case_hmac_sessions"},
    {"authorizations", "R27_special_sessions", "case_special_sessions"},
    {"authorizations", "R27_sessions_of_other_kinds", "case_sessions_of_other_kinds"},
    {"authorizations", "R27_many_sessions", "case_many_sessions"},
    {"policies", "R27_policy_pcr", "case_policy_pcr"},
    {"policies", "R27_policy_password", "case_policy_password"},
    {"policies", "R27_policy_secret", "case_policy_secret"},
    {"policies", "R27_policy_signed", "case_policy_signed"},
    {"policies", "R27_policy_or", "case_policy_or"},
    {"policies", "R27_policy_nv", "case_policy_nv"},
    {"policies", "R27_policy_conditions", "case_policy_conditions"},
    {"policies", "R27_policy_hashes", "case_policy_hashes"},
    {"policies", "R27_policy_authorize_nv", "case_policy_authorize_nv"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What cannot be the same on a chip with fewer slots; see world.h. */
static const struct {
    const char *function, *reason;
} not_on_two_slots[] = {
    {"case_capabilities", "the chip tells how many slots it has"},
    {"case_audit", "a command names three sessions"},
    {"case_audit_digest", "a command names three sessions"},
};

/* What to run. shell.h has the tools go to the daemon; on the bare TPM they are told otherwise. */
static char *script_of(const struct world *world, const struct arrangement *arrangement,
                       const struct differential_case *c)
{
    return g_strdup_printf(
        "PROGRAMS='%s' BARE=%d; %s%s%s . \"$PROGRAMS/common.sh\"; "
        ". \"$PROGRAMS/differential.sh\"; "
        ". \"$PROGRAMS/differential/%s.sh\"; differential %s",
        TEST_PROGRAMS, arrangement->bare, arrangement->bare ? "export TPM2TOOLS_TCTI='" : "",
        arrangement->bare ? world->tcti : "", arrangement->bare ? "';" : "", c->theme, c->function);
}

/* Runs a case in a world of its own. The transcript, to be freed, or NULL when what can be said
 * of this run alone is not right: the case itself, or how the daemon leaves the TPM. */
static char *transcript_of(const struct arrangement *arrangement, const struct differential_case *c)
{
    const struct world_setup setup = {
        .no_daemon = arrangement->bare, .all_slots = arrangement->bare, .args = arrangement->args};
    struct world *world = world_new(&setup);
    char *script = NULL, *transcript = NULL;
    bool good = false;

    if (world) {
        script = script_of(world, arrangement, c);
        good = shell_run(world, script, true, &transcript) == 0;
        if (!arrangement->bare)
            good = world_stop_daemon(world) == 0 && world_chip_empty(world) && good;
    }
    good = world_free(world) && good;
    if (!good) {
        fprintf(stderr, "differential: %s went wrong on %s\n", c->function, arrangement->name);
        g_free(transcript);
        transcript = NULL;
    }
    g_free(script);
    return transcript;
}

static bool read_number(const char *word, unsigned long *number)
{
    char *end;

    if (strncmp(word, "0x", 2) != 0)
        return false;
    *number = strtoul(word, &end, 16);
    return *end == '\0';
}

static bool same_word(const char *line, const char *tpm, const char *daemon)
{
    unsigned long of_tpm, of_daemon;

    if (strcmp(tpm, daemon) == 0)
        return true;
    if (!read_number(tpm, &of_tpm) || !read_number(daemon, &of_daemon))
        return false;
    for (size_t i = 0; i < COUNT(own_answers); i++)
        if (strstr(line, own_answers[i].line) && own_answers[i].tpm == of_tpm
            && own_answers[i].daemon == of_daemon)
            return true;
    return false;
}

static bool same_line(const char *tpm, const char *daemon)
{
    char **of_tpm = g_strsplit(tpm, " ", 0), **of_daemon = g_strsplit(daemon, " ", 0);
    size_t count = g_strv_length(of_tpm);
    bool same = count == g_strv_length(of_daemon);

    for (size_t i = 0; same && i < count; i++)
        same = same_word(tpm, of_tpm[i], of_daemon[i]);
    g_strfreev(of_tpm);
    g_strfreev(of_daemon);
    return same;
}

/* The number of lines that are not the same; each is said on standard error. */
static unsigned compare(const char *name, const char *tpm, const char *daemon)
{
    char **of_tpm = g_strsplit(tpm, "\n", 0), **of_daemon = g_strsplit(daemon, "\n", 0);
    unsigned differ = 0;
    size_t i;

    for (i = 0; of_tpm[i] && of_daemon[i]; i++)
        if (!same_line(of_tpm[i], of_daemon[i])) {
            fprintf(stderr, "differential: the TPM itself: %s\n%s: %s\n", of_tpm[i], name,
                    of_daemon[i]);
            differ++;
        }
    if (of_tpm[i] || of_daemon[i]) {
        fprintf(stderr, "differential: only %s goes on: %s\n", of_tpm[i] ? "the TPM itself" : name,
                of_tpm[i] ? of_tpm[i] : of_daemon[i]);
        differ++;
    }
    g_strfreev(of_tpm);
    g_strfreev(of_daemon);
    return differ;
}

static void run_case(void **state)
{
    const struct differential_case *c = *state;
    char *transcripts[COUNT(arrangements)];
    bool good = true;
    unsigned differ = 0;

    for (size_t i = 0; i < COUNT(not_on_two_slots); i++)
        if (strcmp(not_on_two_slots[i].function, c->function) == 0)
            suite_leave_out_of(WORLD_TWO_SLOTS, not_on_two_slots[i].reason);
    for (size_t i = 0; i < COUNT(arrangements); i++) {
        transcripts[i] = transcript_of(&arrangements[i], c);
        good = good && transcripts[i];
    }
    for (size_t i = 1; i < COUNT(arrangements); i++)
        if (transcripts[0] && transcripts[i])
            differ += compare(arrangements[i].name, transcripts[0], transcripts[i]);
    for (size_t i = 0; i < COUNT(arrangements); i++)
        g_free(transcripts[i]);
    assert_true(good);
    assert_int_equal(differ, 0);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[COUNT(cases)];
    size_t count = 0;

    for (size_t i = 0; argc == 2 && i < COUNT(cases); i++)
        if (strcmp(cases[i].theme, argv[1]) == 0)
            tests[count++] = (struct CMUnitTest){.name = cases[i].name,
                                                 .test_func = run_case,
                                                 .initial_state = (void *)(uintptr_t)&cases[i]};
    if (count == 0) {
        fprintf(stderr, "usage: %s THEME, one of those in differential.c\n", argv[0]);
        return EXIT_FAILURE;
    }
    return _cmocka_run_group_tests(argv[1], tests, count, NULL, NULL);
}
