/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/unread.h"

#include "base/account.h"
#include "base/share.h"

#include <glib.h>
#include <sys/random.h>

/* More than the bytes of a question. */
#define UNREAD_QUESTION 512

struct unread_user {
    uint32_t uid; /* the key */
    size_t bytes;
    unsigned programs, asked; /* programs, and those of them that are asked */
};

struct unread_program {
    char *name; /* the key */
    struct unread_user *user;
    size_t bytes;
    uint32_t question; /* its serial; 0 when the program is not asked */
    size_t before;     /* bytes up to the question's end */
    bool told;         /* that its user has no room */
};

struct unread {
    GHashTable *programs, *users; /* they own theirs */
    size_t root, others;          /* bytes of root's programs, and of all others */
    unsigned asked;               /* programs */
};

static void unread_program_free(gpointer data)
{
    struct unread_program *program = data;

    g_free(program->name);
    g_free(program);
}

struct unread *unread_new(void)
{
    struct unread *unread = g_new0(struct unread, 1);

    unread->programs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unread_program_free);
    unread->users = g_hash_table_new_full(g_int_hash, g_int_equal, NULL, g_free);
    return unread;
}

void unread_free(struct unread *unread)
{
    if (!unread)
        return;
    g_hash_table_unref(unread->programs);
    g_hash_table_unref(unread->users);
    g_free(unread);
}

bool unread_has_room(const struct unread *unread, uint32_t uid)
{
    const struct unread_user *user = g_hash_table_lookup(unread->users, &uid);
    struct share share = share_of(UNREAD_MAX / UNREAD_STEP, UNREAD_ROOT / UNREAD_STEP,
                                  UNREAD_NEWCOMERS / UNREAD_STEP);
    struct share_holdings held = {
        .root = (unsigned)((unread->root + UNREAD_STEP - 1) / UNREAD_STEP),
        .others = (unsigned)((unread->others + UNREAD_STEP - 1) / UNREAD_STEP),
        .own = user ? (unsigned)(user->bytes / UNREAD_STEP) : 0,
    };

    return uid == ACCOUNT_ROOT ? share_has_for_root(&share, &held) : share_has_for(&share, &held);
}

static void unread_add(struct unread *unread, struct unread_program *program, size_t size)
{
    program->bytes += size;
    program->user->bytes += size;
    *(program->user->uid == ACCOUNT_ROOT ? &unread->root : &unread->others) += size;
}

static void unread_take(struct unread *unread, struct unread_program *program, size_t size)
{
    program->bytes -= size;
    program->user->bytes -= size;
    *(program->user->uid == ACCOUNT_ROOT ? &unread->root : &unread->others) -= size;
}

static void unread_join(struct unread *unread, struct unread_program *program, uint32_t uid)
{
    struct unread_user *user = g_hash_table_lookup(unread->users, &uid);

    if (!user) {
        user = g_new0(struct unread_user, 1);
        user->uid = uid;
        g_hash_table_insert(unread->users, &user->uid, user);
    }
    user->programs++;
    program->user = user;
}

static void unread_end_question(struct unread *unread, struct unread_program *program)
{
    if (program->question == 0)
        return;
    program->question = 0;
    program->user->asked--;
    unread->asked--;
}

/* Takes a program from its user, with its bytes, of which it gives the number. */
static size_t unread_part(struct unread *unread, struct unread_program *program)
{
    struct unread_user *user = program->user;
    size_t bytes = program->bytes;

    unread_end_question(unread, program);
    unread_take(unread, program, bytes);
    program->user = NULL;
    if (--user->programs == 0)
        g_hash_table_remove(unread->users, &user->uid);
    return bytes;
}

/* The program; it is charged to `uid` from now on if its user was not known. */
static struct unread_program *unread_get(struct unread *unread, const char *name, uint32_t uid)
{
    struct unread_program *program = g_hash_table_lookup(unread->programs, name);
    size_t bytes = 0;

    if (program && (program->user->uid != UNREAD_NOBODY || uid == UNREAD_NOBODY))
        return program;
    if (program) {
        bytes = unread_part(unread, program);
    } else {
        program = g_new0(struct unread_program, 1);
        program->name = g_strdup(name);
        g_hash_table_insert(unread->programs, program->name, program);
    }
    unread_join(unread, program, uid);
    unread_add(unread, program, bytes);
    return program;
}

static bool unread_is_due(const struct unread *unread, const struct unread_program *program)
{
    return program->question == 0 && program->bytes >= UNREAD_ASK
           && program->user->asked < UNREAD_ASKED_USER && unread->asked < UNREAD_ASKED;
}

/* A serial that nobody can guess; 0 when there is none to be had. */
static uint32_t unread_new_serial(void)
{
    uint32_t serial;

    if (getrandom(&serial, sizeof(serial), 0) != (ssize_t)sizeof(serial))
        return 0;
    return UNREAD_SERIAL + serial % UNREAD_SERIAL;
}

uint32_t unread_sent(struct unread *unread, const char *name, uint32_t uid, size_t size)
{
    struct unread_program *program = unread_get(unread, name, uid);
    uint32_t serial;

    unread_add(unread, program, size);
    serial = unread_is_due(unread, program) ? unread_new_serial() : 0;
    if (serial == 0)
        return 0;
    unread_add(unread, program, UNREAD_QUESTION);
    program->question = serial;
    program->before = program->bytes;
    program->user->asked++;
    unread->asked++;
    return serial;
}

bool unread_answered(struct unread *unread, const char *name, uint32_t serial)
{
    struct unread_program *program = g_hash_table_lookup(unread->programs, name);

    if (!program || program->question == 0 || program->question != serial)
        return false;
    unread_end_question(unread, program);
    unread_take(unread, program, program->before);
    program->told = false;
    return true;
}

bool unread_tell(struct unread *unread, const char *name, uint32_t uid)
{
    struct unread_program *program = unread_get(unread, name, uid);
    bool told = program->told;

    program->told = true;
    return !told;
}

void unread_left(struct unread *unread, const char *name)
{
    struct unread_program *program = g_hash_table_lookup(unread->programs, name);

    if (!program)
        return;
    unread_part(unread, program);
    g_hash_table_remove(unread->programs, name);
}
