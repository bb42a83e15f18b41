/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a policy lets pass. Two managers stand on chips that are the same: the client of one has a
 * policy, the client of the other none. What the first refuses must not have come to its chip; what
 * it permits must come to both chips as the same bytes and have the same answer. And whether it
 * permits must be what this file makes of the presets, by lists of its own.
 *
 * Of the input the first byte chooses the chip (see synth-chip.h) and, with its bits 6 and 7, the
 * preset. Steps follow, until the input ends. The first byte of a step says in bits 0 to 2 what
 * happens:
 *
 *   BYTES       u16 n             the client sends n bytes, which are filled up to a header
 *   FRAME       u8 tag, u16 code, u16 n   it sends a whole command of n bytes behind the header; of
 *                                 the tag bit 0 says whether it has sessions, bit 1 that it is bad,
 *                                 and bit 2 sets the vendor bit of the code
 *   ALLOW, DENY u8 vendor, u16 code   so does the policy
 *   PERMANENT   u8 bits           what the chip says from now on in TPMA_PERMANENT
 *   PRESET      u8 preset         a policy that begins anew
 */
#include "fuzz.h"
#include "mirror.h"
#include "rm-invariants.h"
#include "rm/chip.h"
#include "rm/rc.h"
#include "rm/rm.h"
#include "rm/state.h"
#include "synth-chip.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Wrong passwords before the chip refuses everybody; a third is an account's budget. */
#define TRIES_LIMIT 6

enum step {
    STEP_BYTES,
    STEP_FRAME,
    STEP_ALLOW,
    STEP_DENY,
    STEP_PERMANENT,
    STEP_PRESET,
};

/* A manager with a client, and what came to its chip during the command at hand. */
struct side {
    struct rm_tpm spy; /* stands between manager and chip */
    struct synth_chip *chip;
    struct rm *rm;
    struct rm_client *client;
    uint32_t permanent;
    uint8_t *command, *response;
    size_t response_size;
    bool sent;       /* the client's own command came to the chip */
    uint8_t *record; /* all that came, but the manager's questions */
    size_t record_size;
};

struct world {
    struct side judged, plain;
    enum policy_preset preset;
    struct policy policy;
    unsigned wrong;    /* passwords, that count against the client's account */
    bool other_budget; /* the client has set how many there may be */
    bool said[2][UINT16_MAX + 1], allowed[2][UINT16_MAX + 1]; /* by vendor bit and code */
};

/* Commands that libtpms does not have, with their handles. */
static const uint32_t more_commands[][2] = {
    {TPM2_CC_FieldUpgradeStart, 2},
    {TPM2_CC_FieldUpgradeData, 0},
    {TPM2_CC_FirmwareRead, 0},
    {TPM2_CC_PP_Commands, 1},
    {TPM2_CC_SetAlgorithmSet, 1},
    {TPM2_CC_PCR_SetAuthPolicy, 1},
    {TPM2_CC_ACT_SetTimeout, 1},
    {0x19F, 1},
    {0x1A0, 1},
    {0x1FE, 1},
    {0x3FF, 2},
    {TPMA_CC_V | 1, 0},
    {TPMA_CC_V | 2, 2},
};

static const uint32_t for_admins[] = {
    TPM2_CC_FieldUpgradeStart, TPM2_CC_FieldUpgradeData,
    TPM2_CC_FirmwareRead,      TPM2_CC_PP_Commands,
    TPM2_CC_SetAlgorithmSet,   TPM2_CC_PCR_Allocate,
    TPM2_CC_PCR_SetAuthPolicy, TPM2_CC_ChangePPS,
    TPM2_CC_ChangeEPS,         TPM2_CC_ClockSet,
    TPM2_CC_ClockRateAdjust,   TPM2_CC_ACT_SetTimeout,
    TPM2_CC_Shutdown,          0x19F,
};

static const uint32_t by_hierarchy[] = {
    TPM2_CC_Clear,
    TPM2_CC_ClearControl,
    TPM2_CC_HierarchyControl,
    TPM2_CC_HierarchyChangeAuth,
    TPM2_CC_SetPrimaryPolicy,
    TPM2_CC_DictionaryAttackParameters,
    TPM2_CC_DictionaryAttackLockReset,
    TPM2_CC_SetCommandCodeAuditStatus,
    TPM2_CC_NV_GlobalWriteLock,
};

/* Of strict: what is for administrators beside that, what is not with all PCRs, and some of what
 * everybody may send. */
static const uint32_t defines[] = {
    TPM2_CC_EvictControl,
    TPM2_CC_NV_DefineSpace,
    TPM2_CC_NV_UndefineSpace,
    TPM2_CC_NV_UndefineSpaceSpecial,
};
static const uint32_t of_pcrs[] = {TPM2_CC_PCR_Extend, TPM2_CC_PCR_Event, TPM2_CC_PCR_Reset};
static const uint32_t of_everybody[] = {
    TPM2_CC_CreatePrimary, TPM2_CC_Create,      TPM2_CC_Load,         TPM2_CC_Sign,
    TPM2_CC_RSA_Decrypt,   TPM2_CC_Unseal,      TPM2_CC_ContextSave,  TPM2_CC_StartAuthSession,
    TPM2_CC_PolicyPCR,     TPM2_CC_Quote,       TPM2_CC_PCR_Read,     TPM2_CC_NV_Read,
    TPM2_CC_GetRandom,     TPM2_CC_ContextLoad, TPM2_CC_FlushContext, TPM2_CC_GetCapability,
};

static bool is_among(const uint32_t *codes, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* The platform, or what of it is limited to a firmware (TPM_RH_FW_PLATFORM, TPM_RH_SVN_PLATFORM).
 */
static bool names_platform(const struct command *command)
{
    for (unsigned i = 0; i < command->handle_count; i++)
        if (command->handles[i] == TPM2_RH_PLATFORM || command->handles[i] == 0x40000142
            || (command->handles[i] >= 0x40030000 && command->handles[i] <= 0x4003FFFF))
            return true;
    return false;
}

/* Whether the hierarchy that is named first has an authorization. */
static bool is_set(const struct command *command, uint32_t permanent)
{
    if (command->handle_count == 0)
        return false;
    return (command->handles[0] == TPM2_RH_OWNER && permanent & 1)
           || (command->handles[0] == TPM2_RH_ENDORSEMENT && permanent & 2)
           || (command->handles[0] == TPM2_RH_LOCKOUT && permanent & 4);
}

static bool is_free_pcr(const struct command *command)
{
    uint32_t handle = command->handle_count > 0 ? command->handles[0] : TPM2_RH_NULL;

    return handle == 16 || handle == 23 || handle == TPM2_RH_NULL;
}

enum verdict { VERDICT_OPEN, VERDICT_PERMITTED, VERDICT_REFUSED };

/* Open where this file has no opinion. */
static enum verdict judge_strictly(const struct command *command)
{
    if (is_among(by_hierarchy, COUNT(by_hierarchy), command->code)
        || is_among(defines, COUNT(defines), command->code))
        return VERDICT_REFUSED;
    if (is_among(of_pcrs, COUNT(of_pcrs), command->code))
        return is_free_pcr(command) ? VERDICT_PERMITTED : VERDICT_REFUSED;
    return is_among(of_everybody, COUNT(of_everybody), command->code) ? VERDICT_PERMITTED
                                                                      : VERDICT_OPEN;
}

static enum verdict judge(const struct world *world, const struct command *command)
{
    bool vendor = command->code & TPMA_CC_V;
    uint16_t code = (uint16_t)command->code;

    if (world->said[vendor][code])
        return world->allowed[vendor][code] ? VERDICT_PERMITTED : VERDICT_REFUSED;
    if (world->preset == POLICY_OPEN)
        return VERDICT_PERMITTED;
    if (vendor || is_among(for_admins, COUNT(for_admins), command->code) || names_platform(command))
        return VERDICT_REFUSED;
    if (world->preset == POLICY_STRICT)
        return judge_strictly(command);
    if (world->preset == POLICY_GUARDED
        && is_among(by_hierarchy, COUNT(by_hierarchy), command->code))
        return is_set(command, world->judged.permanent) ? VERDICT_PERMITTED : VERDICT_REFUSED;
    /* What the specification had no number for when the presets were made. */
    return command->code == 0x1A0 ? VERDICT_OPEN : VERDICT_PERMITTED;
}

/* Whether a command asks for this property, and others behind it. */
static bool asks_for(const uint8_t *bytes, uint32_t property)
{
    return header_load(bytes).code == TPM2_CC_GetCapability
           && load_be32(bytes + HEADER_SIZE) == TPM2_CAP_TPM_PROPERTIES
           && load_be32(bytes + HEADER_SIZE + 4) == property;
}

static size_t tell_permanent(uint32_t permanent, uint8_t *response)
{
    response[HEADER_SIZE] = 1; /* more data */
    store_be32(response + HEADER_SIZE + 1, TPM2_CAP_TPM_PROPERTIES);
    store_be32(response + HEADER_SIZE + 5, 1);
    store_be32(response + HEADER_SIZE + 9, TPM2_PT_PERMANENT);
    store_be32(response + HEADER_SIZE + 13, permanent);
    header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE + 17, TPM2_RC_SUCCESS);
    return HEADER_SIZE + 17;
}

static void note(struct side *side, const uint8_t *bytes, size_t size)
{
    side->record = realloc(side->record, side->record_size + size);
    fuzz_must(side->record, "no memory");
    memcpy(side->record + side->record_size, bytes, size);
    side->record_size += size;
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct side *side = (struct side *)tpm;
    bool own = !side->rm || command == side->rm->own_command;

    if (own && asks_for(command, TPM2_PT_PERMANENT)) {
        *response_size = tell_permanent(side->permanent, response);
        return 0;
    }
    side->sent |= !own;
    if (!own || header_load(command).code != TPM2_CC_GetCapability)
        note(side, command, size);
    return side->chip->tpm.transact(&side->chip->tpm, locality, command, size, response, capacity,
                                    response_size);
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    return attempt <= 3;
}

static void side_start(struct side *side, uint8_t kind)
{
    static const struct rm_limits limits = {
        .objects_per_client = 4, .sessions_per_client = 3, .abandoned_per_uid = 2};
    struct chip facts;
    unsigned flushed;
    int64_t detail;

    side->spy = (struct rm_tpm){transact, backoff};
    side->chip = synth_chip_new(kind);
    for (unsigned i = 0; i < COUNT(more_commands); i++)
        fuzz_must(
            command_table_add(&side->chip->commands,
                              more_commands[i][0] | more_commands[i][1] << TPMA_CC_CHANDLES_SHIFT),
            "the table is full");
    fuzz_must(chip_startup(&side->spy, NULL, &detail) == CHIP_OK
                  && chip_flush_leftovers(&side->spy, true, &flushed, &detail) == CHIP_OK
                  && chip_read(&facts, &side->spy, &detail) == CHIP_OK,
              "the chip does not start");
    facts.tries = (struct tries_rule){.limit = TRIES_LIMIT, .recovery = 7200};
    side->rm = rm_new(&side->spy, &facts, &limits);
    fuzz_must(side->rm, "no manager");
    mirror_begin(side->rm);
    side->client = rm_client_new(side->rm, rm_user_get(side->rm, 1000), 1000);
    side->command = malloc(rm_command_capacity(side->rm));
    side->response = malloc(rm_response_capacity(side->rm));
    fuzz_must(side->client && side->command && side->response, "no memory");
    rm_client_set_cookie(side->client, 1);
}

static void side_end(struct side *side)
{
    fuzz_must_hold(rm_invariants_books(side->rm));
    rm_client_free(side->client);
    mirror_end(side->rm);
    synth_chip_free(side->chip);
    free(side->record);
    free(side->command);
    free(side->response);
}

/* The code of the answer. */
static uint32_t side_run(struct side *side, const uint8_t *command, size_t size,
                         const struct policy *policy)
{
    rm_client_set_policy(side->client, policy);
    side->sent = false;
    side->record_size = 0;
    memcpy(side->command, command, size);
    side->response_size = rm_execute(side->rm, side->client, side->command, size, side->response);
    fuzz_must_hold(rm_invariants_books(side->rm));
    return header_load(side->response).code;
}

/* Who has used its budget up sends nothing with a password, and all else. */
static void check_budget(struct world *world, const struct command *command, uint32_t code)
{
    bool used_up =
        world->policy.counts_tries && command->session_count > 0 && world->wrong >= TRIES_LIMIT / 3;

    fuzz_must(world->other_budget || used_up == (code == RM_RC_LOCKOUT),
              "after %u wrong passwords command 0x%x is answered with 0x%x", world->wrong,
              command->code, code);
    if ((code & ~(uint32_t)(TPM2_RC_N_MASK | TPM2_RC_P)) == TPM2_RC_AUTH_FAIL)
        world->wrong += world->policy.counts_tries;
    if (code != TPM2_RC_SUCCESS)
        return;
    if (command->code == TPM2_CC_Clear || command->code == TPM2_CC_DictionaryAttackLockReset)
        world->wrong = 0;
    world->other_budget |= command->code == TPM2_CC_DictionaryAttackParameters;
}

/* What the first manager makes of it must be what is expected. */
static void check_verdict(struct world *world, uint8_t *copy, size_t size, uint32_t code)
{
    bool refused = code == RM_RC_DISABLED;
    struct command command;
    enum verdict verdict;
    uint32_t parsed = command_parse(&command, &world->judged.rm->chip.commands, copy, size);

    if ((parsed != TPM2_RC_SUCCESS && parsed != TPM2_RC_BAD_TAG)
        || size > world->judged.rm->chip.max_command) {
        fuzz_must(!refused, "what is no command is refused by a policy");
        return;
    }
    verdict = judge(world, &command);
    fuzz_must(verdict == VERDICT_OPEN || refused == (verdict == VERDICT_REFUSED),
              "by %s command 0x%x is answered with 0x%x", policy_preset_name(world->preset),
              command.code, code);
    if (!refused)
        check_budget(world, &command, code);
}

/* The second manager, whose policy refuses what the first one refused, so that both have seen as
 * many commands. */
static void check_passage(struct world *world, const uint8_t *command, size_t size, bool refused)
{
    const struct side *judged = &world->judged, *plain = &world->plain;
    struct policy policy = policy_preset(POLICY_OPEN);

    if (refused)
        policy_deny(&policy, header_load(command).code);
    side_run(&world->plain, command, size, &policy);
    if (refused) {
        fuzz_must(!judged->sent && judged->record_size == 0, "a refused command came to the chip");
        return;
    }
    fuzz_must(judged->record_size == plain->record_size
                  && memcmp(judged->record, plain->record, plain->record_size) == 0,
              "a policy changes what comes to the chip of a permitted command");
    fuzz_must(judged->response_size == plain->response_size
                  && memcmp(judged->response, plain->response, plain->response_size) == 0,
              "a policy changes the answer to a permitted command");
}

static void run(struct world *world, uint8_t *command, size_t size)
{
    uint32_t code = side_run(&world->judged, command, size, &world->policy);

    check_passage(world, command, size, code == RM_RC_DISABLED || code == RM_RC_LOCKOUT);
    check_verdict(world, command, size, code);
}

/* Bytes of the input, behind `at` bytes and as many as a command can have. */
static size_t fill(struct world *world, struct fuzz_input *input, uint8_t *command, size_t at,
                   size_t want)
{
    size_t room = rm_command_capacity(world->judged.rm) - at;
    const uint8_t *bytes = fuzz_bytes(input, want < room ? want : room, &want);

    if (want)
        memcpy(command + at, bytes, want);
    return at + want;
}

static void send_bytes(struct world *world, struct fuzz_input *input)
{
    uint8_t *command = calloc(1, rm_command_capacity(world->judged.rm));
    size_t size;

    fuzz_must(command, "no memory");
    size = fill(world, input, command, 0, fuzz_word(input));
    run(world, command, size < HEADER_SIZE ? HEADER_SIZE : size);
    free(command);
}

static void send_frame(struct world *world, struct fuzz_input *input)
{
    uint8_t *command = calloc(1, rm_command_capacity(world->judged.rm));
    uint8_t bits = fuzz_byte(input);
    uint32_t code = fuzz_word(input) | (bits & 4 ? TPMA_CC_V : 0);
    size_t size;

    fuzz_must(command, "no memory");
    size = fill(world, input, command, HEADER_SIZE, fuzz_word(input));
    header_store(command,
                 bits & 2   ? TPM2_ST_NULL
                 : bits & 1 ? TPM2_ST_SESSIONS
                            : TPM2_ST_NO_SESSIONS,
                 (uint32_t)size, code);
    run(world, command, size);
    free(command);
}

static void say(struct world *world, struct fuzz_input *input, bool allow)
{
    bool vendor = fuzz_byte(input) & 1;
    uint16_t number = fuzz_word(input);
    uint32_t code = number | (vendor ? TPMA_CC_V : 0);

    if (!(allow ? policy_allow : policy_deny)(&world->policy, code))
        return;
    world->said[vendor][number] = true;
    world->allowed[vendor][number] = allow;
}

static void begin_anew(struct world *world, uint8_t preset)
{
    world->preset = (enum policy_preset)(preset % POLICY_PRESETS);
    world->policy = policy_preset(world->preset);
    memset(world->said, 0, sizeof(world->said));
}

static void step(struct world *world, struct fuzz_input *input)
{
    uint8_t op = fuzz_byte(input) & 7;

    switch ((enum step)op) {
    case STEP_BYTES:
        send_bytes(world, input);
        return;
    case STEP_FRAME:
        send_frame(world, input);
        return;
    case STEP_ALLOW:
    case STEP_DENY:
        say(world, input, op == STEP_ALLOW);
        return;
    case STEP_PERMANENT:
        world->judged.permanent = world->plain.permanent = fuzz_byte(input);
        return;
    case STEP_PRESET:
        begin_anew(world, fuzz_byte(input));
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    static struct world world;
    uint8_t kind = fuzz_byte(&input);

    world = (struct world){0};
    side_start(&world.judged, kind & 0x3F);
    side_start(&world.plain, kind & 0x3F);
    begin_anew(&world, kind >> 6);
    while (input.size > 0)
        step(&world, &input);
    side_end(&world.judged);
    side_end(&world.plain);
    return 0;
}
