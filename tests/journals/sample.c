/* SPDX-License-Identifier: BSD-2-Clause */
#include "sample.h"

#include "engine/client.h"
#include "engine/desk-layout.h"
#include "fuzz.h"
#include "rm/chip.h"
#include "rm/journal-layout.h"
#include "wire/response.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One step of cells, and the shelf behind it. */
#define SAMPLE_MEMORY (512 * 1024)

#define SAMPLE_KIND 0x14 /* of the TPM: two slots for objects, three for sessions, a small gap */

static void start(struct sample *sample)
{
    static const struct rm_limits limits = {
        .objects_per_client = 16, .sessions_per_client = 8, .abandoned_per_uid = 4};
    struct journal_config config = {
        .owner = PLAIN_JOURNAL_OWNER, .generation = 7, .seats = SAMPLE_CLIENTS};
    struct rm_tpm *tpm;
    struct chip facts;
    int64_t detail;

    sample->chip = synth_chip_new(SAMPLE_KIND);
    sample->chip->obliging = true;
    tpm = &sample->chip->tpm;
    fuzz_must(chip_startup(tpm, NULL, &detail) == CHIP_OK
                  && chip_read(&facts, tpm, &detail) == CHIP_OK,
              "the synthetic TPM does not start");
    sample->rm = rm_new(tpm, &facts, &limits);
    fuzz_must(sample->rm, "no manager");
    sample->response = malloc(rm_response_capacity(sample->rm));
    config.desk = (uint32_t)desk_bytes(SAMPLE_COMMAND, SAMPLE_RESPONSE);
    plain_journal_init(&sample->plain, SAMPLE_MEMORY, &config);
    fuzz_must(sample->response && sample->plain.journal, "no memory");
    rm_set_journal(sample->rm, sample->plain.journal);
    fuzz_must(desk_open(&sample->desk, sample->plain.journal, SAMPLE_COMMAND, SAMPLE_RESPONSE),
              "no desk");
}

/* As the engine does for its clients. */
static void note_connection(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct sample_connection *connection = list_entry(mark, struct sample_connection, mark);
    struct record_connection record = connection->record;

    record.in =
        journal_keep(journal, mark, 0, &connection->in_line, connection->in, connection->in_size);
    record.out = journal_keep(journal, mark, 1, &connection->out_line, connection->out,
                              connection->out_size);
    memcpy(payload, &record, sizeof(record));
}

static void connect_client(struct sample *sample, unsigned client, uint32_t uid, uint32_t account)
{
    struct sample_connection *connection = &sample->connections[client];
    struct seat_record *seat = (struct seat_record *)journal_seats(sample->plain.journal) + client;
    struct rm *rm = sample->rm;

    sample->clients[client] = rm_client_new(rm, rm_user_get(rm, account), uid);
    fuzz_must(sample->clients[client]
                  && journal_open(sample->plain.journal, &connection->mark, JOURNAL_CONNECTION),
              "no client");
    rm_client_set_cookie(sample->clients[client], SAMPLE_COOKIE(client));
    connection->record = (struct record_connection){.cookie = SAMPLE_COOKIE(client),
                                                    .number = client + 1,
                                                    .account = account,
                                                    .state = CLIENT_OPEN,
                                                    .member = client % 2,
                                                    .locality = (uint8_t)client};
    *seat = (struct seat_record){.inode = 9000 + client,
                                 .id = client < 2 ? 0 : UINT64_C(0x1234567890ABCD00) + client,
                                 .uid = uid,
                                 .pid = 400 + client,
                                 .group_count = client,
                                 .from_socket = client < 2,
                                 .groups = {100, 101, 102}};
    if (!seat->from_socket)
        memcpy(seat->creator, ":1.7", 5);
    seat->cookie = SAMPLE_COOKIE(client);
}

/* The engine notes what waits of a client. */
static void keep(struct sample *sample, unsigned client, const char *in, const char *out)
{
    struct sample_connection *connection = &sample->connections[client];
    struct journal *journal = sample->plain.journal;

    connection->in_size = strlen(in);
    connection->out_size = strlen(out);
    memcpy(connection->in, in, connection->in_size);
    memcpy(connection->out, out, connection->out_size);
    fuzz_must(journal_claim(journal, &connection->mark, 0, connection->in_size)
                  && journal_claim(journal, &connection->mark, 1, connection->out_size),
              "no room");
    journal_touch(journal, &connection->mark);
    journal_commit(journal);
}

static void disconnect_client(struct sample *sample, unsigned client)
{
    struct seat_record *seats = journal_seats(sample->plain.journal);

    seats[client] = (struct seat_record){0};
    rm_client_free(sample->clients[client]);
    sample->clients[client] = NULL;
    journal_close(sample->plain.journal, &sample->connections[client].mark);
}

size_t sample_build(uint8_t out[SAMPLE_COMMAND], uint32_t code, uint32_t handle, uint32_t session)
{
    size_t at = HEADER_SIZE;

    if (handle) {
        store_be32(out + at, handle);
        at += 4;
    }
    if (code == TPM2_CC_StartAuthSession) {
        store_be32(out + at, TPM2_RH_NULL);
        at += 4;
    }
    if (session) {
        store_be32(out + at, 9);
        store_be32(out + at + 4, session);
        memset(out + at + 8, 0, 5);
        out[at + 10] = TPMA_SESSION_CONTINUESESSION;
        at += 13;
    }
    header_store(out, session ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, (uint32_t)at, code);
    return at;
}

/* Has the manager run the command that was built; its answer must be a success. */
static void run(struct sample *sample, unsigned client)
{
    struct journal *journal = sample->plain.journal;

    memcpy(sample->desk.bytes[DESK_COMMAND], sample->command, sample->command_size);
    desk_use(&sample->desk, DESK_COMMAND, sample->command_size);
    desk_take(&sample->desk, SAMPLE_COOKIE(client), sample->command_size);
    sample->response_size =
        rm_execute(sample->rm, sample->clients[client], sample->desk.bytes[DESK_COMMAND],
                   sample->command_size, sample->response);
    fuzz_must(header_load(sample->response).code == TPM2_RC_SUCCESS,
              "command 0x%x is answered with 0x%x", header_load(sample->command).code,
              header_load(sample->response).code);
    desk_answer(&sample->desk, sample->response_size);
    desk_end_run(&sample->desk);
    journal_commit(journal);
    while (rm_settle(sample->rm))
        ;
}

static uint32_t named(struct sample *sample, unsigned client, uint32_t code, uint32_t handle,
                      uint32_t session)
{
    sample->command_size = sample_build(sample->command, code, handle, session);
    run(sample, client);
    return load_be32(sample->response + HEADER_SIZE);
}

static uint32_t key(struct sample *sample, unsigned client)
{
    return named(sample, client, TPM2_CC_CreatePrimary, TPM2_RH_OWNER, TPM2_RS_PW);
}

static uint32_t session(struct sample *sample, unsigned client)
{
    return named(sample, client, TPM2_CC_StartAuthSession, TPM2_RH_NULL, 0);
}

/* Loads what the last command has saved. */
static uint32_t load(struct sample *sample, unsigned client)
{
    sample->command_size = command_build_context_load(
        sample->command, sample->response + HEADER_SIZE, sample->response_size - HEADER_SIZE);
    run(sample, client);
    return load_be32(sample->response + HEADER_SIZE);
}

#define OBJECT(n) (UINT32_C(0x80000000) + (n))

/* What leaves its slot, and what is left by whom. */
static void work(struct sample *sample)
{
    static const uint8_t name[RECORD_NAME] = {0x00, 0x0B, 'n', 'a', 'm', 'e'};
    uint32_t shared = key(sample, 0), sequence, sessions[4];

    key(sample, 1);
    named(sample, 0, TPM2_CC_ContextSave, shared, 0);
    shared = load(sample, 1);
    sequence = named(sample, 0, TPM2_CC_HashSequenceStart, 0, 0);
    named(sample, 0, TPM2_CC_SequenceUpdate, sequence, TPM2_RS_PW);
    for (unsigned i = 0; i < 4; i++)
        sessions[i] = session(sample, i);
    named(sample, 1, TPM2_CC_ContextSave, sessions[1], 0);
    named(sample, 2, TPM2_CC_ContextSave, sessions[2], 0);
    load(sample, 1);
    named(sample, 3, TPM2_CC_ContextSave, sessions[3], 0);
    disconnect_client(sample, 3);
    named(sample, 1, TPM2_CC_Sign, shared, sessions[2]);
    named(sample, 0, TPM2_CC_Sign, key(sample, 0), sessions[0]);
    /* What the TPM tells of a key's Name, and the end of a session, which it does not know yet. */
    object_set_name(sample->rm, handles_find(&sample->clients[0]->handles, OBJECT(2)), name,
                    sizeof(name));
    session_apply(sample->rm, session_find(sample->rm, session(sample, 1)), SESSION_EVENT_GIVE_UP);
}

/* Client 0's command is on the TPM, the end of an answer waits for client 1, and some bytes of
 * client 2 wait while more of them are being received. */
static void stop(struct sample *sample)
{
    struct desk_head *head = sample->desk.head;
    int fds[2];

    keep(sample, 1, "", "the end of an");
    sample->connections[1].record.out_gone = 8;
    journal_touch(sample->plain.journal, &sample->connections[1].mark);
    keep(sample, 2, "\x80\x01", "");
    sample->command_size = sample_build(sample->command, TPM2_CC_Sign,
                                        sample->clients[0]->handles.entries[0].handle, TPM2_RS_PW);
    desk_store(&sample->desk, DESK_COMMAND, sample->command, sample->command_size);
    desk_take(&sample->desk, SAMPLE_COOKIE(0), sample->command_size);
    journal_run_phase(sample->plain.journal, RUN_SENT);
    fuzz_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0
                  && write(fds[1], "\x00\x00\x00\x0C", 4) == 4
                  && desk_receive(&sample->desk, fds[0], SAMPLE_COOKIE(2), DESK_SCRATCH, 200, false)
                         == 4,
              "no socket");
    close(fds[0]);
    close(fds[1]);
    /* Addresses, which nobody reads. */
    head->in.msg_hdr = head->out.msg_hdr = (struct msghdr){0};
    head->in_part = head->out_part = (struct iovec){0};
}

void sample_make(struct sample *sample)
{
    static const uint32_t uids[SAMPLE_CLIENTS] = {1000, 1001, 100007, 0};
    static const uint32_t accounts[SAMPLE_CLIENTS] = {1000, 1001, 1001, 0};
    struct journal_facts *facts;

    *sample = (struct sample){0};
    start(sample);
    facts = journal_facts(sample->plain.journal);
    memcpy(facts->bus, "0123456789abcdef0123456789abcdef", 33);
    journal_set_noter(sample->plain.journal, JOURNAL_CONNECTION, note_connection);
    for (unsigned i = 0; i < SAMPLE_CLIENTS; i++)
        connect_client(sample, i, uids[i], accounts[i]);
    journal_complete(sample->plain.journal);
    work(sample);
    stop(sample);
}

void sample_clear(struct sample *sample)
{
    for (unsigned i = 0; i < SAMPLE_CLIENTS; i++)
        rm_client_free(sample->clients[i]);
    rm_free(sample->rm);
    free(sample->response);
    synth_chip_free(sample->chip);
    plain_journal_clear(&sample->plain);
}

size_t sample_size(const struct sample *sample)
{
    const struct journal_header *header =
        (const struct journal_header *)(const void *)sample->plain.memory.bytes;
    size_t end = header->shelf_at + (size_t)header->lines * JOURNAL_LINE;

    return (end + JOURNAL_PAGE - 1) / JOURNAL_PAGE * JOURNAL_PAGE;
}
