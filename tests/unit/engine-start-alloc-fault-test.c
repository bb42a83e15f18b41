/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine is made of, while memory or descriptors are out at its start. It is compiled once
 * more for this, with seams.h. */
#include "alloc-fault-each.h"
#include "base/log.h"
#include "descriptor-count.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/ledger-file.h"
#include "engine/mailbox.h"
#include "engine/managed-tpm.h"
#include "fake-sys.h"
#include "rm/rm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void open_mailbox(void *data)
{
    struct mailbox mailbox;
    int error = mailbox_init(&mailbox);

    (void)data;
    assert_true(error == 0 || error == -EMFILE);
    assert_true(error == 0 || mailbox.fd < 0);
    mailbox_clear(&mailbox);
    assert_true(mailbox.fd < 0);
}

static void open_loop(void *data)
{
    struct loop loop;
    int error = loop_init(&loop);

    (void)data;
    assert_true(error == 0 || error == -EMFILE);
    assert_true(error == 0 || loop.fd < 0);
    loop_clear(&loop);
    assert_true(loop.fd < 0);
}

static void test_R42_no_descriptors_for_mailbox_and_loop(void **state)
{
    (void)state;
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_DESCRIPTORS, open_mailbox, NULL), 1);
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_DESCRIPTORS, open_loop, NULL), 1);
}

/* Without a file there is a record all the same, unless there is no memory even for that. */
static void open_record(void *data)
{
    struct ledger_file *file = ledger_file_open(data, "here");

    if (!file)
        return;
    ledger_clear(ledger_file_ledger(file));
    ledger_file_close(file);
}

static void test_R42_record_while_memory_and_descriptors_are_out(void **state)
{
    char dir[] = "/tmp/tabrmd-alloc-fault.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, open_record, dir), 2);
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_DESCRIPTORS, open_record, dir), 2);
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, open_record, NULL), 2);
    assert_int_equal(rmdir(dir), 0);
}

/* What others do with the TPM is not seen for want of memory: room is kept as if they had it. */
static void test_R42_no_memory_to_see_others(void **state)
{
    struct loop loop;
    struct reserve_rule rule = {.kind = RESERVE_AUTO};
    struct reserve_keeper keeper;
    struct rm_tpm tpm = {0};
    struct chip chip = {.max_command = 4096, .max_response = 4096};
    struct rm_limits limits = {0};
    struct rm *rm = rm_new(&tpm, &chip, &limits);
    struct fake_sys sys;
    struct idle idle;

    (void)state;
    assert_non_null(rm);
    assert_int_equal(loop_init(&loop), 0);
    fake_sys_init(&sys, 7);
    fake_sys_put(&sys, "tpmrm7", "");
    idle_init(&idle, &loop, IDLE_AUTO, false);
    assert_true(reserve_keeper_init(&keeper, &loop, &idle, &rule, sys.path, sys.path));
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
    reserve_keeper_meet(&keeper, rm);
    assert_int_equal(alloc_fault_end(), 1);
    assert_int_equal(keeper.neighbours.watch_error, ENOMEM);
    assert_int_equal(keeper.neighbours.fd, -1);
    assert_true(reserve_keeper_sees_others(&keeper));
    reserve_keeper_leave(&keeper);
    reserve_keeper_clear(&keeper);
    rm_free(rm);
    loop_clear(&loop);
    fake_sys_clear(&sys);
}

/* What commands are read into and answered from. */
static void make_buffers(void *data)
{
    struct desk desk;
    bool made = desk_open(&desk, NULL, 4096, 4096);

    (void)data;
    assert_int_equal(made, alloc_fault_refused() == 0);
    desk_close(&desk);
}

static void test_R42_no_memory_for_buffers(void **state)
{
    (void)state;
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, make_buffers, NULL), 1);
}

static void init_tpm(void *data)
{
    struct loop *loop = data;
    const struct tcti_waiter waiter = {.fd = -1};
    const struct managed_tpm_config config = {
        .link = {.conf = "none", .name = "test", .runtime_dir = "/nonexistent", .sys = "/sys"},
        .dev = "/dev",
    };
    struct managed_tpm managed;
    int error = managed_tpm_init(&managed, loop, &config, &waiter);

    assert_true(error == 0 || error == -ENOMEM || error == -EMFILE);
    assert_int_equal(error != 0, alloc_fault_refused() != 0);
    assert_true(error != 0 || strcmp(managed.link.config.runtime_dir, "/nonexistent") == 0);
    managed_tpm_clear(&managed);
}

static void test_R42_no_memory_for_the_tpm(void **state)
{
    struct loop loop;

    (void)state;
    assert_int_equal(loop_init(&loop), 0);
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, init_tpm, &loop), 7);
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_DESCRIPTORS, init_tpm, &loop), 1);
    loop_clear(&loop);
}

static void on_event(void *data)
{
    (void)data;
}

static void on_failed(void *data, enum tpm_fault fault, const char *text)
{
    (void)data;
    (void)fault;
    (void)text;
}

static void on_state(void *data, enum engine_state state)
{
    (void)data;
    (void)state;
}

static void on_trouble(void *data, enum trouble trouble)
{
    (void)data;
    (void)trouble;
}

/* An engine that cannot be made leaves the listening socket to whoever asked for it. */
static void start_engine(void *data)
{
    const struct engine_config config = {.tcti = "device:/nonexistent", .name = "test"};
    const struct engine_events events = {
        .failed = on_failed, .state = on_state, .trouble = on_trouble, .stopped = on_event};
    char text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener = listener_new(data, "root", &fault, text);
    struct engine *engine;

    if (!listener)
        return;
    engine = engine_new(&config, &events, listener);
    if (engine) {
        engine_stop(engine);
        engine_free(engine);
    } else {
        assert_true(errno == ENOMEM || errno == EMFILE || errno == EAGAIN);
        listener_free(listener);
    }
    assert_int_equal(access(data, F_OK), -1);
}

static void test_R42_no_memory_for_the_engine(void **state)
{
    char dir[] = "/tmp/tabrmd-alloc-fault.XXXXXX", path[sizeof(dir) + 8];
    unsigned descriptors = descriptor_count();

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    assert_in_range(alloc_fault_each(ALLOC_FAULT_MEMORY, start_engine, path), 10,
                    ALLOC_FAULT_EACH_MOST);
    assert_in_range(alloc_fault_each(ALLOC_FAULT_DESCRIPTORS, start_engine, path), 3,
                    ALLOC_FAULT_EACH_MOST);
    assert_int_equal(descriptor_count_settled(descriptors), descriptors);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R42_no_descriptors_for_mailbox_and_loop),
        cmocka_unit_test(test_R42_record_while_memory_and_descriptors_are_out),
        cmocka_unit_test(test_R42_no_memory_to_see_others),
        cmocka_unit_test(test_R42_no_memory_for_buffers),
        cmocka_unit_test(test_R42_no_memory_for_the_tpm),
        cmocka_unit_test(test_R42_no_memory_for_the_engine),
    };

    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
