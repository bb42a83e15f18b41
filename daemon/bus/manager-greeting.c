/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-greeting.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The server's address has an identity in the protocol, which nobody compares with anything here.
 */
#define GREETING_OK "OK 7461627264000000746162726d640000\r\n"

void manager_greeting_init(struct manager_greeting *greeting)
{
    *greeting = (struct manager_greeting){0};
}

/* Whether the line is this word, alone or with something behind it. */
static bool greeting_is(const uint8_t *line, size_t size, const char *word, bool alone)
{
    size_t length = strlen(word);

    if (size < length || memcmp(line, word, length) != 0)
        return false;
    return size == length || (!alone && line[length] == ' ');
}

static const char *greeting_trust(struct manager_greeting *greeting)
{
    greeting->asked = false;
    greeting->trusted = true;
    return GREETING_OK;
}

static const char *greeting_reply(struct manager_greeting *greeting, const uint8_t *line,
                                  size_t size)
{
    if (greeting->trusted)
        return greeting_is(line, size, "NEGOTIATE_UNIX_FD", true) ? "AGREE_UNIX_FD\r\n"
                                                                  : "ERROR\r\n";
    if (greeting->asked && greeting_is(line, size, "DATA", false))
        return greeting_trust(greeting);
    greeting->asked = greeting_is(line, size, "AUTH EXTERNAL", true);
    if (greeting->asked)
        return "DATA\r\n";
    if (greeting_is(line, size, "AUTH EXTERNAL", false))
        return greeting_trust(greeting);
    if (greeting_is(line, size, "AUTH", false) || greeting_is(line, size, "CANCEL", true)
        || greeting_is(line, size, "ERROR", false))
        return "REJECTED EXTERNAL\r\n";
    return "ERROR\r\n";
}

enum manager_greeting_step manager_greeting_line(struct manager_greeting *greeting,
                                                 const uint8_t *bytes, size_t size,
                                                 const char **reply)
{
    bool first = greeting->lines++ == 0;

    if (size < 2 || bytes[size - 2] != '\r' || greeting->lines > MANAGER_GREETING_LINES
        || (first && bytes[0] != 0))
        return MANAGER_GREETING_BROKEN;
    bytes += first;
    size -= first + strlen("\r\n");
    if (greeting_is(bytes, size, "BEGIN", true))
        return greeting->trusted ? MANAGER_GREETING_BEGUN : MANAGER_GREETING_BROKEN;
    *reply = greeting_reply(greeting, bytes, size);
    return MANAGER_GREETING_REPLY;
}

size_t manager_greeting_of_gdbus(char bytes[MANAGER_GREETING_MAX])
{
    char user[16], coded[2 * sizeof(user) + 1] = "";

    snprintf(user, sizeof(user), "%u", (unsigned)getuid());
    for (size_t i = 0; user[i]; i++)
        snprintf(coded + 2 * i, 3, "%02x", (unsigned)(unsigned char)user[i]);
    bytes[0] = '\0';
    return 1
           + (size_t)snprintf(bytes + 1, MANAGER_GREETING_MAX - 1,
                              "AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", coded);
}
