/* SPDX-License-Identifier: BSD-2-Clause */
#include "tpm/fault.h"

#include "tpm/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_common.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define FAULT_SAY(...) snprintf(text, TPM_FAULT_TEXT, __VA_ARGS__)

/* The device that the TCTI opens when no path is named: the first of these that is there. */
static const char *fault_default_path(void)
{
    static const char kernels[] = "/dev/tpm0", shared[] = "/dev/tpmrm0";

    return access(kernels, F_OK) != 0 && access(shared, F_OK) == 0 ? shared : kernels;
}

/* The path of "device:PATH", also by the library's file name; NULL for other strings. */
static const char *fault_device_path(const char *conf)
{
    static const char *const names[] = {"device", "libtss2-tcti-device.so",
                                        "libtss2-tcti-device.so.0"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);

        if (strncmp(conf, names[i], length) != 0)
            continue;
        if (conf[length] == '\0' || strcmp(conf + length, ":") == 0)
            return fault_default_path();
        if (conf[length] == ':')
            return conf + length + 1;
    }
    return NULL;
}

/* The negative errno of opening a TPM's device node, 0 when it can be opened. With `look` the node
 * is not opened: the answer says only whether there is a device. */
static int fault_probe(const char *path, bool look)
{
    struct stat node;
    int fd;

    if (stat(path, &node) < 0)
        return -errno;
    if (!S_ISCHR(node.st_mode))
        return -ENOTTY;
    if (look)
        return 0;
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

bool tpm_fault_may_open(const char *conf)
{
    const char *path = fault_device_path(conf);

    return !path || fault_probe(path, true) != -ENOTTY;
}

/* The number of /dev/tpmN, of which the kernel has a /dev/tpmrmN; "0" for other names. */
static const char *fault_number(const char *path)
{
    static const char prefix[] = "/dev/tpm";
    const char *number = path + sizeof(prefix) - 1;

    if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 || !*number
        || number[strspn(number, "0123456789")] != '\0')
        return "0";
    return number;
}

static bool fault_is_absence(int error)
{
    return error == ENOENT || error == ENODEV || error == ENXIO || error == ENOTDIR;
}

static enum tpm_fault fault_device(const char *path, int error, char text[TPM_FAULT_TEXT])
{
    if (fault_is_absence(error)) {
        FAULT_SAY("no TPM at %s: switch the TPM on in the firmware's settings, load its driver, or "
                  "name another one with --tcti",
                  path);
        return TPM_FAULT_ABSENT;
    }
    switch (error) {
    case EACCES:
    case EPERM:
        FAULT_SAY("user %u may not open the TPM %s: run tabrmd as user tss, or let this user read "
                  "and write the device",
                  (unsigned)geteuid(), path);
        return TPM_FAULT_DENIED;
    case EBUSY:
        FAULT_SAY("the TPM %s is in use by another program: stop it (\"fuser -v %s\" names it), "
                  "or use /dev/tpmrm%s with --tcti",
                  path, path, fault_number(path));
        return TPM_FAULT_BUSY;
    case ENOTTY:
        FAULT_SAY("%s is not a device: name the TPM with --tcti=device:PATH", path);
        return TPM_FAULT_CONF;
    default:
        FAULT_SAY("cannot open the TPM %s: %s", path, strerror(error));
        return error == EMFILE || error == ENFILE || error == ENOMEM ? TPM_FAULT_RESOURCES
                                                                     : TPM_FAULT_ABSENT;
    }
}

enum tpm_fault tpm_fault_open(const char *conf, uint32_t rc, char text[TPM_FAULT_TEXT])
{
    const char *path = fault_device_path(conf);
    int error = path ? fault_probe(path, false) : 0;

    if (error)
        return fault_device(path, -error, text);
    switch (rc) {
    case TSS2_TCTI_RC_MEMORY:
        FAULT_SAY("no memory or no descriptor left to open the TPM \"%s\": end other programs, or "
                  "raise the service's MemoryMax= and LimitNOFILE=",
                  conf);
        return TPM_FAULT_RESOURCES;
    case TSS2_TCTI_RC_BAD_VALUE:
    case TSS2_TCTI_RC_NOT_SUPPORTED:
        FAULT_SAY("the TCTI \"%s\" is not understood: --tcti takes NAME:CONF of an installed "
                  "libtss2-tcti-NAME",
                  conf);
        return TPM_FAULT_CONF;
    default:
        FAULT_SAY("no TPM behind the TCTI \"%s\" (%s): is its other end running and the "
                  "libtss2-tcti library installed?",
                  conf, Tss2_RC_Decode(rc));
        return TPM_FAULT_ABSENT;
    }
}

enum tpm_fault tpm_fault_chip(const char *conf, enum chip_error error, int64_t detail,
                              char text[TPM_FAULT_TEXT])
{
    switch (error) {
    case CHIP_OK:
        break;
    case CHIP_ERROR_TRANSPORT:
        FAULT_SAY("the TPM \"%s\" does not answer (%s): check that it runs and that nobody else "
                  "uses it",
                  conf, strerror((int)-detail));
        return TPM_FAULT_ABSENT;
    case CHIP_ERROR_CODE:
        if (detail == TPM2_RC_FAILURE) {
            FAULT_SAY("the TPM \"%s\" is in failure mode: power the machine off and on; if that "
                      "does not help, update the TPM's firmware",
                      conf);
            return TPM_FAULT_REFUSED;
        }
        FAULT_SAY("the TPM \"%s\" refuses to start with 0x%x (%s)", conf, (unsigned)detail,
                  Tss2_RC_Decode((uint32_t)detail));
        return TPM_FAULT_REFUSED;
    case CHIP_ERROR_MALFORMED:
        FAULT_SAY("what answers at \"%s\" does not talk like a TPM 2.0: check --tcti", conf);
        return TPM_FAULT_REFUSED;
    case CHIP_ERROR_TPM12:
        FAULT_SAY("the TPM \"%s\" is a TPM 1.2, and tabrmd needs a TPM 2.0: switch it to 2.0 in "
                  "the firmware's settings if it can do both",
                  conf);
        return TPM_FAULT_VERSION12;
    }
    FAULT_SAY("the TPM \"%s\" cannot be used", conf);
    return TPM_FAULT_REFUSED;
}

bool tpm_fault_device_gone(const char *conf, char text[TPM_FAULT_TEXT])
{
    const char *path = fault_device_path(conf);

    if (!path || !fault_is_absence(-fault_probe(path, false)))
        return false;
    FAULT_SAY("the TPM %s went away", path);
    return true;
}

bool tpm_fault_disabled(const char *conf, const char *sys, char text[TPM_FAULT_TEXT])
{
    const char *path = fault_device_path(conf);

    if (!path || !kernel_disabled(sys, path))
        return false;
    FAULT_SAY("the kernel has disabled the TPM %s, as those from 6.10 to 6.16 with "
              "CONFIG_TCG_TPM2_HMAC do when they find no room in it for a key of their own: unbind "
              "its driver and bind it again (tabrmd(8) says how), or reboot",
              path);
    return true;
}

enum tpm_fault tpm_fault_memory(char text[TPM_FAULT_TEXT])
{
    snprintf(text, TPM_FAULT_TEXT, "no memory to start with");
    return TPM_FAULT_RESOURCES;
}
