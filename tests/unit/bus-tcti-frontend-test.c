/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that come to the TCTI front end when its engine is about to be freed, or was. */
#include "bus/tcti-frontend.h"

#include "bus/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* Without a bus between them, callers have no names. */
struct scene {
    GDBusConnection *caller, *daemon;
    struct tcti_frontend *frontend; /* it has no engine */
    char *error;                    /* of the last answer */
    bool answered;
};

static void connected(GObject *source, GAsyncResult *result, gpointer data)
{
    GDBusConnection **connection = data;

    (void)source;
    *connection = g_dbus_connection_new_finish(result, NULL);
    assert_non_null(*connection);
}

static GIOStream *stream_of(int fd)
{
    GSocket *socket = g_socket_new_from_fd(fd, NULL);
    GIOStream *stream;

    assert_non_null(socket);
    stream = G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
    g_object_unref(socket);
    return stream;
}

static int set_up(void **state)
{
    static struct scene scene;
    char *guid = g_dbus_generate_guid();
    GIOStream *ends[2];
    int pair[2];

    scene = (struct scene){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    for (unsigned i = 0; i < 2; i++)
        ends[i] = stream_of(pair[i]);
    g_dbus_connection_new(ends[0], NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL,
                          connected, &scene.caller);
    g_dbus_connection_new(ends[1], guid, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER, NULL, NULL,
                          connected, &scene.daemon);
    while (!scene.caller || !scene.daemon)
        g_main_context_iteration(NULL, TRUE);
    for (unsigned i = 0; i < 2; i++)
        g_object_unref(ends[i]);
    g_free(guid);
    scene.frontend = tcti_frontend_new(NULL, NULL);
    tcti_frontend_export(scene.frontend, scene.daemon);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    tcti_frontend_free(scene->frontend);
    g_dbus_connection_close_sync(scene->caller, NULL, NULL);
    g_object_unref(scene->caller);
    g_object_unref(scene->daemon);
    g_free(scene->error);
    return 0;
}

static void answered(GObject *source, GAsyncResult *result, gpointer data)
{
    struct scene *scene = data;
    GError *error = NULL;
    GVariant *answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    assert_null(answer);
    g_free(scene->error);
    scene->error = g_dbus_error_get_remote_error(error);
    scene->answered = true;
    g_error_free(error);
}

/* A call must get this error. */
static void expect_refused(struct scene *scene, const char *method, GVariant *arguments,
                           const char *error)
{
    scene->answered = false;
    g_dbus_connection_call(scene->caller, NULL, NAMES_TCTI_PATH, "com.intel.tss2.TctiTabrmd",
                           method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, answered,
                           scene);
    while (!scene->answered)
        g_main_context_iteration(NULL, TRUE);
    assert_string_equal(scene->error, error);
}

/* Of a connection whose creator calls. */
static void test_no_call_comes_to_an_engine_that_has_ended(void **state)
{
    const struct engine_restored restored = {.id = 77, .creator = "", .bus = ""};
    struct scene *scene = *state;

    tcti_frontend_restored(scene->frontend, &restored);
    tcti_frontend_end(scene->frontend);
    expect_refused(scene, "Cancel", g_variant_new("(t)", (guint64)77), NAMES_ERROR_GENERAL);
    expect_refused(scene, "SetLocality", g_variant_new("(ty)", (guint64)77, 0),
                   NAMES_ERROR_GENERAL);
    expect_refused(scene, "Cancel", g_variant_new("(t)", (guint64)78), NAMES_ERROR_GENERAL);
    /* What is new of connections may come all the same. */
    tcti_frontend_client_heard(scene->frontend, 77);
    tcti_frontend_client_gone(scene->frontend, 77);
}

/* The engine goes on where its clients are left to the next daemon. */
static void test_news_of_connections_without_a_front_end(void **state)
{
    const struct engine_restored restored = {.id = 77, .creator = "", .bus = ""};

    (void)state;
    tcti_frontend_restored(NULL, &restored);
    tcti_frontend_client_heard(NULL, 77);
    tcti_frontend_client_gone(NULL, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_call_comes_to_an_engine_that_has_ended, set_up,
                                        tear_down),
        cmocka_unit_test(test_news_of_connections_without_a_front_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
