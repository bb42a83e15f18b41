/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-properties.h"

#include "base/log.h"

#include <string.h>

static const char *const properties_levels[] = {
    [LOG_LEVEL_SILENT] = "silent", [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",     [LOG_LEVEL_DEBUG] = "debug",
};

void manager_properties_start(ManagerManager1 *object, const char *version, const char *tpm)
{
    manager_manager1_set_version(object, version);
    manager_manager1_set_tpm(object, tpm ? tpm : "");
    manager_manager1_set_manufacturer(object, "");
    manager_manager1_set_model(object, "");
    manager_manager1_set_firmware(object, "");
    manager_manager1_set_revision(object, "");
    manager_properties_state(object, ENGINE_STARTING);
    manager_properties_log_level(object);
}

/* As vendors print it: four numbers of 16 bits. */
static char *properties_firmware(const uint32_t version[2])
{
    return g_strdup_printf("%u.%u.%u.%u", version[0] >> 16, version[0] & 0xffff, version[1] >> 16,
                           version[1] & 0xffff);
}

void manager_properties_chip(ManagerManager1 *object, const struct rm_identity *identity)
{
    g_autofree char *firmware = properties_firmware(identity->firmware);
    g_autofree char *revision =
        g_strdup_printf("%u.%02u", identity->revision / 100, identity->revision % 100);

    manager_manager1_set_manufacturer(object, identity->manufacturer);
    manager_manager1_set_model(object, identity->model);
    manager_manager1_set_firmware(object, firmware);
    manager_manager1_set_revision(object, identity->revision ? revision : "");
    manager_manager1_set_object_slots(object, identity->object_slots);
    manager_manager1_set_session_slots(object, identity->session_slots);
    manager_manager1_set_active_sessions(object, identity->active_sessions);
    manager_manager1_set_max_command(object, identity->max_command);
    manager_manager1_set_max_response(object, identity->max_response);
}

void manager_properties_state(ManagerManager1 *object, enum engine_state state)
{
    manager_manager1_set_state(object, engine_state_name(state));
}

void manager_properties_log_level(ManagerManager1 *object)
{
    manager_manager1_set_log_level(object, properties_levels[log_threshold]);
}

bool manager_properties_set_log_level(ManagerManager1 *object, const char *name)
{
    for (unsigned i = LOG_LEVEL_ERROR; i < G_N_ELEMENTS(properties_levels); i++) {
        if (strcmp(properties_levels[i], name) != 0)
            continue;
        log_set_level((enum log_level)i);
        manager_properties_log_level(object);
        return true;
    }
    return false;
}
