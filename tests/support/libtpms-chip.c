/* SPDX-License-Identifier: BSD-2-Clause */
#include "libtpms-chip.h"

#include "wire/capability.h"
#include "wire/command.h"

#include <errno.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_memory.h>
#include <libtpms/tpm_nvfilename.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* The TPM's non-volatile memory: one file, as libtpms calls it, a name. */
static struct {
    const char *name;
    unsigned char *bytes;
    uint32_t size;
} nvram[] = {{TPM_PERMANENT_ALL_NAME, NULL, 0},
             {TPM_VOLATILESTATE_NAME, NULL, 0},
             {TPM_SAVESTATE_NAME, NULL, 0}};

#define NVRAM_FILES (sizeof(nvram) / sizeof(nvram[0]))

static uint8_t current_locality;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "libtpms: %s failed\n", what);
    abort();
}

static int find_file(const char *name)
{
    for (unsigned i = 0; i < NVRAM_FILES; i++) {
        if (strcmp(nvram[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static TPM_RESULT nvram_init(void)
{
    return TPM_SUCCESS;
}

static TPM_RESULT nvram_load(unsigned char **data, uint32_t *length, uint32_t number,
                             const char *name)
{
    int file = find_file(name);

    (void)number;
    if (file < 0 || !nvram[file].bytes)
        return TPM_RETRY;
    if (TPM_Malloc(data, nvram[file].size) != TPM_SUCCESS)
        return TPM_FAIL;
    memcpy(*data, nvram[file].bytes, nvram[file].size);
    *length = nvram[file].size;
    return TPM_SUCCESS;
}

static TPM_RESULT nvram_store(const unsigned char *data, uint32_t length, uint32_t number,
                              const char *name)
{
    int file = find_file(name);
    unsigned char *copy = malloc(length ? length : 1);

    (void)number;
    if (file < 0 || !copy) {
        free(copy);
        return TPM_FAIL;
    }
    memcpy(copy, data, length);
    free(nvram[file].bytes);
    nvram[file].bytes = copy;
    nvram[file].size = length;
    return TPM_SUCCESS;
}

static void nvram_forget(unsigned file)
{
    free(nvram[file].bytes);
    nvram[file].bytes = NULL;
    nvram[file].size = 0;
}

static TPM_RESULT nvram_delete(uint32_t number, const char *name, TPM_BOOL must_exist)
{
    int file = find_file(name);

    (void)number;
    if (file < 0 || (must_exist && !nvram[file].bytes))
        return TPM_FAIL;
    nvram_forget((unsigned)file);
    return TPM_SUCCESS;
}

static TPM_RESULT io_init(void)
{
    return TPM_SUCCESS;
}

static TPM_RESULT io_get_locality(TPM_MODIFIER_INDICATOR *locality, uint32_t number)
{
    (void)number;
    *locality = current_locality;
    return TPM_SUCCESS;
}

static TPM_RESULT io_get_presence(TPM_BOOL *presence, uint32_t number)
{
    (void)number;
    *presence = FALSE;
    return TPM_SUCCESS;
}

/* Does the fault that is set hit this command? Counts it down. */
static enum chip_fault take_fault(struct libtpms_chip *chip, uint32_t code)
{
    enum chip_fault fault = chip->fault;

    if (fault == CHIP_FAULT_NONE || (chip->fault_command && chip->fault_command != code))
        return CHIP_FAULT_NONE;
    if (--chip->fault_times == 0)
        chip->fault = CHIP_FAULT_NONE;
    return fault;
}

static void count(struct libtpms_chip *chip, uint32_t code)
{
    chip->commands++;
    if (code >= 0x100 && code - 0x100 < sizeof(chip->by_code) / sizeof(chip->by_code[0]))
        chip->by_code[code - 0x100]++;
    chip->context_commands +=
        code == TPM2_CC_ContextSave || code == TPM2_CC_ContextLoad || code == TPM2_CC_FlushContext;
}

static int answer_code(uint8_t *response, size_t *size, uint32_t code)
{
    header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, code);
    *size = HEADER_SIZE;
    return 0;
}

size_t libtpms_chip_process(const uint8_t *command, size_t size, uint8_t *response, size_t capacity)
{
    unsigned char *copy = malloc(size), *answer = NULL;
    uint32_t answer_size = 0, buffer_size = 0;

    must(copy != NULL, "malloc");
    memcpy(copy, command, size);
    must(TPMLIB_Process(&answer, &answer_size, &buffer_size, copy, (uint32_t)size) == TPM_SUCCESS,
         "TPMLIB_Process");
    free(copy);
    if (answer_size > capacity)
        answer_size = 0;
    memcpy(response, answer, answer_size);
    TPM_Free(answer);
    return answer_size;
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct libtpms_chip *chip = (struct libtpms_chip *)tpm;
    uint32_t code = size >= HEADER_SIZE ? header_load(command).code : 0;
    enum chip_fault fault;

    count(chip, code);
    fault = take_fault(chip, code);
    if (fault == CHIP_FAULT_CODE)
        return answer_code(response, response_size, chip->fault_code);
    if (fault == CHIP_FAULT_TRANSPORT)
        return -EIO;
    current_locality = chip->last_locality = locality;
    *response_size = libtpms_chip_process(command, size, response, capacity);
    if (*response_size == 0)
        return -EMSGSIZE;
    if (chip->between)
        chip->between(chip->between_data, command);
    if (fault == CHIP_FAULT_LOST)
        return -EIO;
    if (fault == CHIP_FAULT_CUT)
        --*response_size;
    for (size_t i = HEADER_SIZE; fault == CHIP_FAULT_GARBAGE && i < *response_size; i++)
        response[i] ^= 0xFF;
    return 0;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    return attempt <= ((struct libtpms_chip *)tpm)->retries_allowed;
}

struct libtpms_chip *libtpms_chip_new(void)
{
    struct libtpms_callbacks callbacks = {
        .sizeOfStruct = sizeof(callbacks),
        .tpm_nvram_init = nvram_init,
        .tpm_nvram_loaddata = nvram_load,
        .tpm_nvram_storedata = nvram_store,
        .tpm_nvram_deletename = nvram_delete,
        .tpm_io_init = io_init,
        .tpm_io_getlocality = io_get_locality,
        .tpm_io_getphysicalpresence = io_get_presence,
    };
    struct libtpms_chip *chip = calloc(1, sizeof(*chip));

    must(chip != NULL, "calloc");
    chip->tpm = (struct rm_tpm){transact, backoff};
    chip->retries_allowed = 10;
    must(TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) == TPM_SUCCESS, "TPMLIB_ChooseTPMVersion");
    must(TPMLIB_RegisterCallbacks(&callbacks) == TPM_SUCCESS, "TPMLIB_RegisterCallbacks");
    must(TPMLIB_MainInit() == TPM_SUCCESS, "TPMLIB_MainInit");
    return chip;
}

void libtpms_chip_free(struct libtpms_chip *chip)
{
    if (!chip)
        return;
    TPMLIB_Terminate();
    for (unsigned i = 0; i < NVRAM_FILES; i++)
        nvram_forget(i);
    free(chip);
}

void libtpms_chip_power_cycle(struct libtpms_chip *chip)
{
    (void)chip;
    TPMLIB_Terminate();
    must(TPMLIB_MainInit() == TPM_SUCCESS, "TPMLIB_MainInit");
}

void libtpms_chip_clear_counts(struct libtpms_chip *chip)
{
    chip->commands = chip->context_commands = 0;
    memset(chip->by_code, 0, sizeof(chip->by_code));
}

unsigned libtpms_chip_count(const struct libtpms_chip *chip, uint32_t command_code)
{
    return chip->by_code[command_code - 0x100];
}

void libtpms_chip_inject(struct libtpms_chip *chip, enum chip_fault fault, uint32_t command,
                         uint32_t code, unsigned times)
{
    chip->fault = times ? fault : CHIP_FAULT_NONE;
    chip->fault_command = command;
    chip->fault_code = code;
    chip->fault_times = times;
}

unsigned libtpms_chip_handles(struct libtpms_chip *chip, uint32_t first, uint32_t *handles,
                              unsigned capacity)
{
    struct libtpms_chip counts = *chip;
    uint8_t command[COMMAND_OWN_SIZE], response[4096];
    struct capability_list list;
    size_t size = command_build_get_capability(command, TPM2_CAP_HANDLES, first, capacity);

    chip->fault = CHIP_FAULT_NONE;
    must(transact(&chip->tpm, 0, command, size, response, sizeof(response), &size) == 0
             && capability_list_parse(&list, response, size, TPM2_CAP_HANDLES, 4),
         "GetCapability");
    for (uint32_t i = 0; i < list.count && i < capacity; i++)
        handles[i] = load_be32(list.items + 4 * (size_t)i);
    *chip = counts; /* the look does not count */
    return list.count;
}
