/* SPDX-License-Identifier: BSD-2-Clause */
#include "connect-module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The module belongs to the library beside which it lies, also where neither is on the loader's
 * path. RTLD_NODELETE keeps it past dlclose(): GLib's types hold pointers into it. */
static void *connect_module_beside(void)
{
    char path[PATH_MAX];
    const char *slash;
    Dl_info self;
    int used;

    if (dladdr(CONNECT_DBUS_MODULE, &self) == 0 || self.dli_fname == NULL)
        return NULL;
    slash = strrchr(self.dli_fname, '/');
    if (slash == NULL)
        return NULL;
    used = snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self.dli_fname), self.dli_fname,
                    CONNECT_DBUS_MODULE);
    if (used < 0 || (size_t)used >= sizeof(path))
        return NULL;
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

const struct connect_dbus *connect_module_load(char *why)
{
    const struct connect_dbus *module;
    const char *error;
    void *handle = connect_module_beside();

    if (handle == NULL)
        handle = dlopen(CONNECT_DBUS_MODULE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        error = dlerror();
        snprintf(why, CONNECT_DBUS_WHY, "cannot load the D-Bus part of this library: %s",
                 error != NULL ? error : CONNECT_DBUS_MODULE);
        return NULL;
    }
    module = dlsym(handle, CONNECT_DBUS_SYMBOL);
    if (module == NULL || module->abi != CONNECT_DBUS_ABI) {
        snprintf(why, CONNECT_DBUS_WHY, "%s belongs to another version of this library",
                 CONNECT_DBUS_MODULE);
        module = NULL;
    }
    /* Gives back this reference only: the module stays. */
    dlclose(handle);
    return module;
}
