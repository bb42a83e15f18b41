/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that connects and goes: what a process pays for a connection alone.
 *
 *     bench-connect TCTI-CONF         connects, finalizes and exits
 *     bench-connect TCTI-CONF random  connects, asks for random bytes once, finalizes and exits
 *     bench-connect                   exits: the process that the others are compared with
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

/* True when the random bytes came. */
static int connect_random(TSS2_TCTI_CONTEXT *tcti)
{
    static const uint8_t command[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};
    static const uint8_t success[4] = {0};
    uint8_t response[64];
    size_t size = sizeof(response);

    return Tss2_Tcti_Transmit(tcti, sizeof(command), command) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS
           && size >= 10 && memcmp(response + 6, success, sizeof(success)) == 0;
}

int main(int argc, char **argv)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;
    int good = 1;

    if (argc == 1)
        return EXIT_SUCCESS;
    if (argc > 3 || (argc == 3 && strcmp(argv[2], "random") != 0)) {
        fprintf(stderr, "usage: bench-connect [TCTI-CONF [random]]\n");
        return EXIT_FAILURE;
    }
    if (Tss2_TctiLdr_Initialize(argv[1], &tcti) != TSS2_RC_SUCCESS)
        return EXIT_FAILURE;
    if (argc == 3)
        good = connect_random(tcti);
    Tss2_TctiLdr_Finalize(&tcti);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
