/* SPDX-License-Identifier: BSD-2-Clause */
#include "fapi-config.h"

#include "message.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define FAPI_CONFIG_TCTI "tcti"

/* False when the copy cannot be written. */
static bool fapi_config_write(struct fapi_config *config, JsonNode *root)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonGenerator) generator = json_generator_new();

    config->directory = g_dir_make_tmp("tabrmctl-XXXXXX", &error);
    if (config->directory) {
        config->path = g_build_filename(config->directory, "fapi-config.json", NULL);
        json_generator_set_root(generator, root);
        json_generator_set_pretty(generator, TRUE);
        if (json_generator_to_file(generator, config->path, &error))
            return true;
    }
    message_error("cannot write a configuration of FAPI for the program: %s", error->message);
    fapi_config_clear(config);
    return false;
}

static bool fapi_config_copy(struct fapi_config *config, const char *file, const char *tcti)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    JsonNode *root;
    JsonObject *object;

    if (!json_parser_load_from_file(parser, file, &error)) {
        message_error("%s, the configuration of FAPI, cannot be read: %s; mend it, or name another "
                      "one in " FAPI_CONFIG_VARIABLE,
                      file, error->message);
        return false;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        message_error(
            "%s is no configuration of FAPI, which is an object of JSON; mend it, or name "
            "another one in " FAPI_CONFIG_VARIABLE,
            file);
        return false;
    }
    object = json_node_get_object(root);
    if (g_strcmp0(json_object_get_string_member_with_default(object, FAPI_CONFIG_TCTI, NULL), tcti)
        == 0)
        return true;
    json_object_set_string_member(object, FAPI_CONFIG_TCTI, tcti);
    return fapi_config_write(config, root);
}

bool fapi_config_make(struct fapi_config *config, const char *tcti)
{
    const char *named = g_getenv(FAPI_CONFIG_VARIABLE);

    *config = (struct fapi_config){0};
    if (!named && !g_file_test(FAPI_CONFIG_FILE, G_FILE_TEST_EXISTS))
        return true;
    return fapi_config_copy(config, named ? named : FAPI_CONFIG_FILE, tcti);
}

void fapi_config_clear(struct fapi_config *config)
{
    if (config->path)
        g_unlink(config->path);
    if (config->directory)
        g_rmdir(config->directory);
    g_clear_pointer(&config->path, g_free);
    g_clear_pointer(&config->directory, g_free);
}
