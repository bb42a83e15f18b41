/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that connects and goes: what a process pays for a connection alone.
 *
 *     bench-connect TCTI-CONF    connects, finalizes and exits
 *     bench-connect              exits: the process that the other is compared with
 */
#include <stdio.h>
#include <stdlib.h>
#include <tss2/tss2_tctildr.h>

int main(int argc, char **argv)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;

    if (argc == 1)
        return EXIT_SUCCESS;
    if (argc > 2) {
        fprintf(stderr, "usage: bench-connect [TCTI-CONF]\n");
        return EXIT_FAILURE;
    }
    if (Tss2_TctiLdr_Initialize(argv[1], &tcti) != TSS2_RC_SUCCESS)
        return EXIT_FAILURE;
    Tss2_TctiLdr_Finalize(&tcti);
    return EXIT_SUCCESS;
}
