/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of clients when the chip changes, or is missed, while the daemon goes. */
#include "chip-user.h"
#include "holder.h"
#include "kept.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RC_OBJECT_0  0xB0910
#define RC_SESSION_0 0xB0918
#define RC_FAILURE   0xB0101

/* What the client has is void, which it is told by key and session; and it may begin anew. */
static void expect_void(struct holder *holder)
{
    ESYS_TR key;

    assert_int_equal(esys_client_sign(holder->client, holder->key, ESYS_TR_PASSWORD), RC_OBJECT_0);
    assert_int_equal(esys_client_key(holder->client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(holder->client, key, holder->session), RC_SESSION_0);
    assert_int_equal(esys_client_session(holder->client, TPM2_SE_HMAC, &holder->session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(holder->client, key, holder->session), TSS2_RC_SUCCESS);
}

static void test_a_reset_in_the_gap_is_told(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    kept_begin_gap(kept);
    assert_true(world_power_cycle(kept->world));
    kept_end_gap(kept);
    assert_int_equal(keeper_kept(kept->keeper, "c"), 2);
    expect_void(&one);
    expect_void(&other);
    holder_free(&one);
    holder_free(&other);
}

static bool serves(void *client)
{
    return esys_client_random(client, 8) == TSS2_RC_SUCCESS;
}

/* The same daemon stays with its clients, has an answer for them meanwhile, and goes on. */
static void test_a_transport_that_is_lost_and_back_costs_a_command(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    assert_true(world_set_faults(kept->world, "code=0x17B times=0 drop\n"));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(esys_client_random(one.client, 8), RC_FAILURE);
        assert_int_equal(esys_client_random(other.client, 8), RC_FAILURE);
    }
    assert_true(world_set_faults(kept->world, ""));
    assert_true(world_poll(serves, one.client, WORLD_START_MS));
    assert_true(world_poll(serves, other.client, WORLD_START_MS));
    holder_expect(&one);
    holder_expect(&other);
    assert_int_equal(keeper_starts(kept->keeper), 1);
    /* And so with the next daemon. */
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    holder_expect(&one);
    holder_expect(&other);
    holder_free(&one);
    holder_free(&other);
}

/* No session is left of whoever lost its connection; the daemon that runs has nobody. */
static void expect_no_sessions(struct kept *kept)
{
    uint32_t handle;

    kept_begin_gap(kept);
    assert_int_equal(world_chip_handles(kept->world, 0x02000000, &handle, 1), 0);
    assert_int_equal(world_chip_handles(kept->world, 0x03000000, &handle, 1), 0);
    kept_end_gap(kept);
}

/* The next start finds a chip that refuses to start: there is no point in another try. */
static void test_no_tpm_at_the_start_closes_and_the_next_start_flushes(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    kept_begin_gap(kept);
    assert_true(world_set_faults(kept->world, "code=0x144 times=0 rc=0x101\n"));
    keeper_pause(kept->keeper, false);
    assert_false(keeper_await_ready(kept->keeper, 2));
    assert_int_equal(keeper_status(kept->keeper), 69);
    assert_int_equal(keeper_kept(kept->keeper, NULL), 0);
    holder_expect_end(&one);
    holder_expect_end(&other);
    assert_true(world_set_faults(kept->world, ""));
    assert_true(keeper_start(kept->keeper));
    expect_no_sessions(kept);
    holder_free(&one);
    holder_free(&other);
}

/* Somebody else has the place of the daemon's socket. */
static int take_place(const struct kept *kept)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *path = served_socket(kept->world);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    unlink(path);
    g_free(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static bool tried_often(void *keeper)
{
    return keeper_starts(keeper) > 2 * 3; /* more often than a crash is put up with */
}

/* A daemon that ends before it has taken the TPM leaves all as it found it, and counts for nothing:
 * whether there is another try is the service manager's to say. */
static void test_an_early_exit_costs_nobody(void **state)
{
    struct kept *kept = *state;
    struct holder holder = holder_new(kept->world, SERVED_SOCKET);
    int place;

    kept_begin_gap(kept);
    place = take_place(kept);
    keeper_pause(kept->keeper, false);
    assert_true(world_poll(tried_often, kept->keeper, WORLD_START_MS));
    close(place);
    assert_true(keeper_await_ready(kept->keeper, 2));
    assert_int_equal(keeper_kept(kept->keeper, "c"), 1);
    holder_expect(&holder);
    holder_free(&holder);
}

static int world_without_bus(void **state)
{
    static const char *const args[] = {"--no-dbus", NULL};

    return kept_world_as(state,
                         &(struct kept_setup){.args = args, .max = KEPT_MAX, .system_bus = true});
}

/* Spoils the journal that is kept. */
static void spoil(const struct kept *kept)
{
    int fd = keeper_descriptor(kept->keeper, "s0");

    if (fd < 0)
        fd = keeper_descriptor(kept->keeper, "s1");
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "spoiled", 7, 0), 7);
    close(fd);
}

static void test_a_journal_that_is_refused_closes_and_flushes(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    kept_begin_gap(kept);
    spoil(kept);
    kept_end_gap(kept);
    kept_expect_log(kept, "what a former daemon left cannot be used");
    holder_expect_end(&one);
    holder_expect_end(&other);
    assert_true(keeper_await_kept(kept->keeper, "c", 0));
    expect_no_sessions(kept);
    holder_free(&one);
    holder_free(&other);
}

/* Those of connections that are served on are no others'. */
static void test_flush_all_flushes_the_sessions_of_others(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);
    TPMS_CONTEXT *neighbours;
    struct esys_client *user;
    ESYS_TR session;

    kept_begin_gap(kept);
    neighbours = chip_user_session(kept->world);
    kept_end_gap(kept);
    holder_expect(&one);
    holder_expect(&other);
    assert_true(keeper_restart(kept->keeper));
    holder_expect(&one);
    kept_begin_gap(kept);
    user = chip_user_new(kept->world);
    assert_int_not_equal(Esys_ContextLoad(user->esys, neighbours, &session), TSS2_RC_SUCCESS);
    chip_user_free(user);
    kept_end_gap(kept);
    holder_expect(&one);
    holder_expect(&other);
    holder_free(&one);
    holder_free(&other);
    Esys_Free(neighbours);
}

static int world_flushing_all(void **state)
{
    static const char *const args[] = {"--idle-release=never", "--flush-all", NULL};

    return kept_world_with(state, args, KEPT_MAX);
}

/* Puts a key of somebody else's where the daemon's only one was. */
static void replace_key(const struct world *world)
{
    struct esys_client *user = chip_user_new(world);
    TPML_HANDLE *handles = NULL;
    TPMS_CAPABILITY_DATA *data = NULL;
    ESYS_TR key;

    assert_int_equal(Esys_GetCapability(user->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_HANDLES, 0x80000000, 8, NULL, &data),
                     TSS2_RC_SUCCESS);
    handles = &data->data.handles;
    assert_int_equal(handles->count, 1);
    assert_int_equal(Esys_TR_FromTPMPublic(user->esys, handles->handle[0], ESYS_TR_NONE,
                                           ESYS_TR_NONE, ESYS_TR_NONE, &key),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(user->esys, key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_null_key(user, &key), TSS2_RC_SUCCESS);
    Esys_Free(data);
    chip_user_free(user);
}

static void test_a_strangers_key_in_the_place_is_not_taken_for_the_clients(void **state)
{
    struct kept *kept = *state;
    struct holder holder = holder_new(kept->world, SERVED_SOCKET);
    uint32_t handles[2];
    ESYS_TR key;

    suite_leave_out_of(WORLD_IDLE_AT_ONCE, "a key with a context is loaded from that");
    kept_begin_gap(kept);
    assert_int_equal(world_chip_handles(kept->world, 0x80000000, handles, 2), 1);
    replace_key(kept->world);
    kept_end_gap(kept);
    assert_int_equal(esys_client_sign(holder.client, holder.key, holder.session), RC_OBJECT_0);
    assert_int_equal(esys_client_key(holder.client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(holder.client, key, holder.session), TSS2_RC_SUCCESS);
    holder_free(&holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kept_test(test_a_reset_in_the_gap_is_told),
        kept_test(test_a_transport_that_is_lost_and_back_costs_a_command),
        kept_test(test_no_tpm_at_the_start_closes_and_the_next_start_flushes),
        cmocka_unit_test_setup_teardown(test_an_early_exit_costs_nobody, world_without_bus,
                                        kept_end_world),
        kept_test(test_a_journal_that_is_refused_closes_and_flushes),
        cmocka_unit_test_setup_teardown(test_flush_all_flushes_the_sessions_of_others,
                                        world_flushing_all, kept_end_world),
        kept_test(test_a_strangers_key_in_the_place_is_not_taken_for_the_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
