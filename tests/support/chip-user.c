/* SPDX-License-Identifier: BSD-2-Clause */
#include "chip-user.h"

#include "tcti-swtpm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct esys_client *chip_user_new(const struct world *world)
{
    struct esys_client *user = g_new0(struct esys_client, 1);
    char *server = world_path(world, "server");

    user->tcti = tcti_swtpm_new(server, NULL);
    assert_non_null(user->tcti);
    assert_int_equal(Esys_Initialize(&user->esys, user->tcti, NULL), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_Startup(user->esys, TPM2_SU_CLEAR) & 0xFFFF & ~TPM2_RC_INITIALIZE, 0);
    g_free(server);
    return user;
}

void chip_user_free(struct esys_client *user)
{
    Esys_Finalize(&user->esys);
    tcti_swtpm_free(user->tcti);
    g_free(user);
}

TPMS_CONTEXT *chip_user_session(const struct world *world)
{
    struct esys_client *user = chip_user_new(world);
    TPMS_CONTEXT *context = NULL;
    ESYS_TR session;

    assert_int_equal(esys_client_session(user, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(user->esys, session, &context), TSS2_RC_SUCCESS);
    chip_user_free(user);
    return context;
}
