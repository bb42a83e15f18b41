/* SPDX-License-Identifier: BSD-2-Clause */
#include "option-table.h"

#include <string.h>

/* The longest quiet time that can be asked for, in milliseconds: a day. */
#define IDLE_MOST 86400000

const struct option_entry option_table[OPTION_COUNT] = {
    [OPTION_TCTI] = {.name = "tcti",
                     .letter = 't',
                     .argument = "CONF",
                     .standard = "device:/dev/tpm0",
                     .help = "The TPM, as NAME:CONF of a TCTI library"},
    [OPTION_SESSION] = {.name = "session",
                        .letter = 's',
                        .standard = "no",
                        .help = "Serve on the session bus and not on the system bus"},
    [OPTION_DBUS_NAME] = {.name = "dbus-name",
                          .letter = 'n',
                          .argument = "NAME",
                          .standard = "com.intel.tss2.Tabrmd",
                          .help = "Name to own on the bus"},
    [OPTION_NO_DBUS] = {.name = "no-dbus", .standard = "no", .help = "Serve on the socket only"},
    [OPTION_SOCKET] = {.name = "socket",
                       .argument = "PATH",
                       .otherwise = "tcti.sock in $RUNTIME_DIRECTORY, if set",
                       .help = "Socket to serve on beside the bus"},
    [OPTION_NO_SOCKET] = {.name = "no-socket", .standard = "no", .help = "Serve on the bus only"},
    [OPTION_LOGGER] = {.name = "logger",
                       .letter = 'l',
                       .argument = "stdout|syslog",
                       .standard = "stdout",
                       .help = "Where log lines go"},
    [OPTION_VERBOSE] = {.name = "verbose", .standard = "no", .help = "Log more"},
    [OPTION_FLUSH_ALL] = {.name = "flush-all",
                          .letter = 'f',
                          .standard = "no",
                          .help = "Flush the TPM's sessions at the start, not only its objects"},
    [OPTION_MAX_CONNECTIONS] = {.name = "max-connections",
                                .letter = 'm',
                                .argument = "N",
                                .standard = "1024",
                                .least = 1,
                                .most = 16384,
                                .help = "Connections at a time"},
    [OPTION_MAX_CONNECTIONS_PER_USER] = {.name = "max-connections-per-user",
                                         .argument = "N",
                                         .otherwise = "what its share is",
                                         .least = 1,
                                         .most = 16384,
                                         .help = "Connections of one user but root"},
    [OPTION_MAX_SESSIONS] = {.name = "max-sessions",
                             .letter = 'e',
                             .argument = "N",
                             .standard = "16",
                             .least = 1,
                             .most = 64,
                             .help = "Sessions of one connection"},
    [OPTION_MAX_SESSIONS_PER_USER] = {.name = "max-sessions-per-user",
                                      .argument = "N",
                                      .standard = "48",
                                      .otherwise = "48, or --max-sessions if that is more",
                                      .least = 1,
                                      .most = 64,
                                      .help = "Sessions of one user"},
    [OPTION_MAX_TRANSIENTS] = {.name = "max-transients",
                               .letter = 'r',
                               .argument = "N",
                               .standard = "64",
                               .least = 1,
                               .most = 1024,
                               .help = "Loaded objects of one connection"},
    [OPTION_MAX_TRANSIENTS_PER_USER] = {.name = "max-transients-per-user",
                                        .argument = "N",
                                        .standard = "1024",
                                        .least = 1,
                                        .most = 65536,
                                        .help = "Loaded objects of one user"},
    [OPTION_MAX_ABANDONED_PER_USER] = {.name = "max-abandoned-per-user",
                                       .argument = "N",
                                       .standard = "16",
                                       .most = 64,
                                       .help = "Saved sessions that a user's closed connections "
                                               "leave"},
    [OPTION_GUESTS] = {.name = "guests",
                       .argument = "together|apart",
                       .standard = "together",
                       .help = "How users who are no members of the socket's group share"},
    [OPTION_HIGH_PRIORITY] = {.name = "high-priority",
                              .argument = "USER,...",
                              .help = "Users with four times the usual share of the TPM's time"},
    [OPTION_LOW_PRIORITY] = {.name = "low-priority",
                             .argument = "USER,...",
                             .help = "Users with a quarter of the usual share of the TPM's time"},
    [OPTION_RESERVE] = {.name = "reserve",
                        .argument = "auto|never|OBJECTS,SESSIONS",
                        .standard = "auto",
                        .help = "Slots of the TPM that stay free for its other users"},
    [OPTION_IDLE_RELEASE] = {.name = "idle-release",
                             .argument = "auto|MS|never",
                             .standard = "auto",
                             .most = IDLE_MOST,
                             .help = "When the quiet TPM is left empty: soon if others use it, or "
                                     "after so many milliseconds"},
    [OPTION_PRNG_SEED_FILE] = {.name = "prng-seed-file",
                               .letter = 'g',
                               .argument = "FILE",
                               .help = "Ignored: random numbers are the kernel's"},
    [OPTION_ALLOW_ROOT] = {.name = "allow-root",
                           .letter = 'o',
                           .standard = "no",
                           .help = "Run although started as root"},
    [OPTION_CONFIG] = {.name = "config",
                       .argument = "FILE",
                       .no_key = true,
                       .help = "The configuration file, with drop-ins in FILE.d"},
    [OPTION_CHECK_CONFIG] = {.name = "check-config",
                             .standard = "no",
                             .no_key = true,
                             .help = "Say all that is wrong with the configuration, and exit"},
    [OPTION_SHOW_CONFIG] = {.name = "show-config",
                            .standard = "no",
                            .no_key = true,
                            .help = "Print each value and where it comes from, and exit"},
    [OPTION_VERSION] = {.name = "version",
                        .letter = 'v',
                        .standard = "no",
                        .no_key = true,
                        .help = "Print the version and exit"},
    [OPTION_HELP] = {.name = "help",
                     .letter = 'h',
                     .standard = "no",
                     .no_key = true,
                     .help = "Print this help and exit"},
};

enum option_id option_table_find(const char *name)
{
    enum option_id id = 0;

    while (id < OPTION_COUNT && strcmp(option_table[id].name, name) != 0)
        id++;
    return id;
}

enum option_id option_table_letter(char letter)
{
    enum option_id id = 0;

    while (id < OPTION_COUNT && (!letter || option_table[id].letter != letter))
        id++;
    return id;
}
