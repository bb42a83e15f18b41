/* SPDX-License-Identifier: BSD-2-Clause */
#include "manager-command.h"

#include "json-text.h"
#include "manager-error.h"
#include "message.h"
#include "model-fetch.h"

#include <stdio.h>
#include <sysexits.h>

bool manager_command_bare(const char *name, int argc, char **argv)
{
    if (argc == 0)
        return true;
    message_error("argument \"%s\" means nothing to %s", argv[0], name);
    return false;
}

int manager_command_ask(const struct place_options *options, unsigned parts, unsigned needed,
                        struct model **model)
{
    struct manager_client client;
    int status = manager_client_open(&client, options);

    if (status == EX_OK)
        *model = model_fetch(&client, parts, needed, &status);
    manager_client_close(&client);
    return status;
}

static void steer_print(const struct globals *globals, const char *done)
{
    g_autofree char *text = NULL;
    JsonBuilder *builder;

    if (!globals->json) {
        printf("%s\n", done);
        return;
    }
    builder = json_builder_new();
    json_builder_begin_object(builder);
    json_text_bool(builder, "done", true);
    json_builder_end_object(builder);
    text = json_text_finish(builder, false);
    printf("%s\n", text);
}

int manager_command_steer(const struct globals *globals, const struct place_options *options,
                          const char *method, GVariant *arguments, const char *what,
                          const char *done)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments) : NULL, answer = NULL;
    g_autoptr(GError) error = NULL;
    struct manager_client client;
    int status = manager_client_open(&client, options);

    if (status == EX_OK) {
        answer =
            manager_client_call(&client, method, owned, NULL, MANAGER_CLIENT_PATIENCE_MS, &error);
        if (answer)
            steer_print(globals, done);
        else
            status = manager_error_say(&client, what, error);
    }
    manager_client_close(&client);
    return status;
}
