/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * make-corpus DIRECTORY   writes inputs of the target client-stream to the directory: one for each
 *                         command that libtpms lists, named by its code, with all that must be made
 *                         before it; and one for each of the journeys below.
 * make-corpus --check     has libtpms run each of them: all are served but those that are known to
 *                         be refused. Reports in the Test Anything Protocol.
 */
#include "client-stream.h"
#include "corpus-commands.h"
#include "fuzz.h"
#include "libtpms-chip.h"
#include "rm/chip.h"
#include "wire/header.h"

#include <errno.h>
#include <libtpms/tpm_library.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tpm2_types.h>

/*
 * What several clients do together. Each word is a client's digit, a letter, and perhaps a number
 * in hexadecimal; the letter is one of corpus_making(), or: >  ContextSave of a handle        <
 * ContextLoad of the context that was given out as number n
 *   -  FlushContext of a handle       !  Sign with a key
 *   $  GetRandom with a session       ?  GetCapability of the handles from this one on
 *   .  the connection is closed       _  clean-up     =  clean-up that leaves the chip empty
 *   #  the chip loses its power
 */
static const struct {
    const char *name, *words;
} journeys[] = {
    {"circle", "0s 0s 1s 1k 2s 2e 3p 0!80000000 0!80000001 1!80000000 2!80000000 0!80000000 1! 0_"},
    {"contexts", "0s 0>80000000 1<0 2<0 0-80000000 1!80000000 2.0 2_ 3<0 3!80000000 1. 3. 0="},
    {"sequences", "0h 1h 0>80000000 0>80000000 1<0 0s 0s 0s 0= 1>80000000 1-80000000 0<2"},
    {"sessions", "0S 0$2000000 0>2000000 1<0 1<0 1$2000000 0$2000000 1>2000000 1. 2<1 2-2000000"},
    {"strangers",
     "0S 0P 0s 1!80000000 1$2000000 1$3000001 1>2000000 1-2000000 1?2000000 0?3000000"},
    {"many-sessions", "0S 1S 2S 3S 0P 1P 2P 3P 0$2000000 1$2000001 2$2000002 3$2000003 0_ 0= "
                      "0>2000000 1>2000001 0. 1. 2$2000002 2= 3<0 3<1 3?3000000"},
    {"reset", "0s 0S 1s 1>80000000 0>2000000 0# 0!80000000 1!80000000 1<0 0<1 0s 0= 1# 1= 1s"},
};

static struct libtpms_chip *start_chip(struct chip *facts)
{
    struct libtpms_chip *chip = libtpms_chip_new();
    int64_t detail;

    fuzz_must(chip_startup(&chip->tpm, NULL, &detail) == CHIP_OK
                  && chip_read(facts, &chip->tpm, &detail) == CHIP_OK,
              "libtpms does not start");
    return chip;
}

/* A command that the table does not have yet, of a newer libtpms: zeros for its handles. */
static struct corpus_command unknown_command(uint32_t attributes)
{
    unsigned handles = command_attributes_handles(attributes);

    return (struct corpus_command){
        .code = command_attributes_code(attributes),
        .before = "",
        .handle_count = handles < 3 ? handles : 3,
        .parameters = "",
        .refused = true,
    };
}

static struct corpus_command command_for(uint32_t attributes)
{
    const struct corpus_command *found = corpus_find(command_attributes_code(attributes));

    return found ? *found : unknown_command(attributes);
}

/* A step in which a client writes the command, with a session if that is not 0. */
static void write_command(FILE *file, unsigned client, const struct corpus_command *command,
                          uint32_t session)
{
    uint8_t bytes[CORPUS_COMMAND_MAX], step[6];
    size_t size = corpus_build(command, session, bytes);

    step[0] = CLIENT_STREAM_STEP(client, CLIENT_STREAM_FRAME);
    step[1] = command->authorizations > 0;
    store_be16(step + 2, (uint16_t)command->code);
    store_be16(step + 4, (uint16_t)(size - HEADER_SIZE));
    fwrite(step, 1, sizeof(step), file);
    fwrite(bytes + HEADER_SIZE, 1, size - HEADER_SIZE, file);
}

static void write_step(FILE *file, unsigned client, const struct corpus_command *command)
{
    write_command(file, client, command, 0);
}

static FILE *begin_input(const char *directory, const char *name)
{
    static const uint8_t kind = 0x45;
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "wb");
    fuzz_must(file, "%s cannot be written (%s)", path, strerror(errno));
    fwrite(&kind, 1, 1, file);
    return file;
}

static void end_input(FILE *file, const char *name)
{
    fuzz_must(fclose(file) == 0, "%s cannot be written (%s)", name, strerror(errno));
}

/* The client loads context number `index`, as it is. */
static void write_replay(FILE *file, unsigned client, uint32_t index)
{
    fputc(CLIENT_STREAM_STEP(client, CLIENT_STREAM_REPLAY), file);
    fputc((int)(index & 0xFF), file);
    fwrite("\0\0", 1, 2, file);
}

/* The command, then one more look at what it left: a context that is saved, and a clean chip. */
static void write_input(const char *directory, const struct corpus_command *command)
{
    char name[16];
    FILE *file;

    snprintf(name, sizeof(name), "%#x", command->code);
    file = begin_input(directory, name);
    for (const char *letter = command->before; *letter; letter++)
        write_step(file, 0, corpus_making(*letter));
    write_step(file, 0, command);
    write_step(file, 0, corpus_find(TPM2_CC_ContextSave));
    fputc(CLIENT_STREAM_STEP(0, CLIENT_STREAM_RELEASE), file);
    write_replay(file, 1, 0);
    end_input(file, name);
}

/* The command of the code, with another handle or, where it has none, other parameters. */
static void write_with(FILE *file, unsigned client, uint32_t code, uint32_t handle,
                       const char *parameters)
{
    struct corpus_command command = *corpus_find(code);

    if (command.handle_count > 0)
        command.handles[0] = handle;
    if (parameters)
        command.parameters = parameters;
    write_step(file, client, &command);
}

static void write_word(FILE *file, unsigned client, char letter, uint32_t number)
{
    struct corpus_command command = *corpus_find(TPM2_CC_GetRandom);
    char text[32];

    switch (letter) {
    case '>':
        write_with(file, client, TPM2_CC_ContextSave, number, NULL);
        return;
    case '<':
        write_replay(file, client, number);
        return;
    case '-':
        snprintf(text, sizeof(text), "%08x", number);
        write_with(file, client, TPM2_CC_FlushContext, 0, text);
        return;
    case '!':
        write_with(file, client, TPM2_CC_Sign, number, NULL);
        return;
    case '$':
        command.authorizations = 1;
        write_command(file, client, &command, number);
        return;
    case '?':
        snprintf(text, sizeof(text), "00000001 %08x 0000000a", number);
        write_with(file, client, TPM2_CC_GetCapability, 0, text);
        return;
    case '.':
        fputc(CLIENT_STREAM_STEP(client, CLIENT_STREAM_CLOSE), file);
        return;
    case '_':
        fputc(CLIENT_STREAM_STEP(client, CLIENT_STREAM_IDLE), file);
        return;
    case '=':
        fputc(CLIENT_STREAM_STEP(client, CLIENT_STREAM_RELEASE), file);
        return;
    case '#':
        fputc(CLIENT_STREAM_STEP(client, CLIENT_STREAM_POWER), file);
        return;
    default:
        fuzz_must(corpus_making(letter), "no step is called '%c'", letter);
        write_step(file, client, corpus_making(letter));
    }
}

static void write_journey(const char *directory, const char *name, const char *words)
{
    FILE *file = begin_input(directory, name);

    while (*words) {
        unsigned client = (unsigned)(words[0] - '0');
        char letter = words[1], *end;
        uint32_t number = 0;

        fuzz_must(client < CLIENT_STREAM_CLIENTS, "%s: no client '%c'", name, words[0]);
        words += 2;
        if (*words && *words != ' ') {
            number = (uint32_t)strtoul(words, &end, 16);
            words = end;
        }
        write_word(file, client, letter, number);
        words += strspn(words, " ");
    }
    end_input(file, name);
}

/* The chip's answer. The first use of a password after a start may be refused with RETRY. */
static uint32_t run(struct libtpms_chip *chip, const struct corpus_command *command)
{
    uint8_t bytes[CORPUS_COMMAND_MAX], response[4096];
    size_t size = corpus_build(command, 0, bytes), answer;

    for (unsigned tries = 0; tries < 3; tries++) {
        fuzz_must(
            chip->tpm.transact(&chip->tpm, 0, bytes, size, response, sizeof(response), &answer) == 0
                && answer >= HEADER_SIZE,
            "libtpms does not answer");
        if (header_load(response).code != TPM2_RC_RETRY)
            break;
    }
    return header_load(response).code;
}

/* Whether a fresh chip serves the command; *code is its answer. */
static bool serves(const struct corpus_command *command, uint32_t *code)
{
    struct chip facts;
    struct libtpms_chip *chip = start_chip(&facts);

    *code = TPM2_RC_SUCCESS;
    for (const char *letter = command->before; *letter && *code == TPM2_RC_SUCCESS; letter++) {
        *code = run(chip, corpus_making(*letter));
        if (*code != TPM2_RC_SUCCESS)
            printf("# %#x: '%c' before it: 0x%03x\n", command->code, *letter, *code);
    }
    if (*code == TPM2_RC_SUCCESS)
        *code = run(chip, command);
    libtpms_chip_free(chip);
    return *code == TPM2_RC_SUCCESS;
}

/* No PCR of libtpms 0.10 can have a policy. */
static bool is_refused(const struct corpus_command *command)
{
    return command->refused
           || (command->code == TPM2_CC_PCR_SetAuthPolicy
               && TPMLIB_GetVersion() >= TPM_LIBRARY_VERSION_GEN(0, 10, 0));
}

static int check(const struct command_table *table)
{
    int wrong = 0;

    printf("1..%u\n", table->count);
    for (uint32_t i = 0; i < table->count; i++) {
        struct corpus_command command = command_for(table->attributes[i]);
        uint32_t code;
        bool good = serves(&command, &code) != is_refused(&command);

        printf("%s %u - command %#x: 0x%03x\n", good ? "ok" : "not ok", i + 1, command.code, code);
        wrong += !good;
    }
    return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct chip facts;

    fuzz_must(argc == 2, "usage: make-corpus DIRECTORY|--check");
    libtpms_chip_free(start_chip(&facts));
    if (strcmp(argv[1], "--check") == 0)
        return check(&facts.commands);
    fuzz_must(mkdir(argv[1], 0777) == 0 || errno == EEXIST, "%s cannot be made (%s)", argv[1],
              strerror(errno));
    for (uint32_t i = 0; i < facts.commands.count; i++) {
        struct corpus_command command = command_for(facts.commands.attributes[i]);

        write_input(argv[1], &command);
    }
    for (unsigned i = 0; i < sizeof(journeys) / sizeof(journeys[0]); i++)
        write_journey(argv[1], journeys[i].name, journeys[i].words);
    return 0;
}
