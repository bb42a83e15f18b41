/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client library's D-Bus messages. What GDBus reads as well, both understand the same, and the
 * strings that a message points to lie in its bytes. The input is also four names with zeros
 * between them, or five where one is in the body: a call that is built of them is a message of the
 * size that its head says.
 */
#include "bus-message.h"
#include "fuzz.h"
#include "gdbus-oracle.h"

#include <string.h>

static void check_string(const uint8_t *data, size_t size, const char *text)
{
    uintptr_t from = (uintptr_t)data, at = (uintptr_t)text;

    fuzz_must(at >= from && at < from + size && memchr(text, '\0', from + size - at),
              "a string does not end in the message");
}

static void check_read(const uint8_t *data, size_t size)
{
    struct bus_message message;
    char why[GDBUS_ORACLE_WHY];
    enum gdbus_oracle answer = gdbus_oracle_ask(data, size, why);

    fuzz_must(answer != GDBUS_ORACLE_DISAGREE, "%s", why);
    if (bus_message_read(&message, data, size) != 0)
        return;
    fuzz_must(bus_message_size(data) == size, "the size of a message is another");
    fuzz_must(message.type != 0, "a message of no type");
    if (message.error_name)
        check_string(data, size, message.error_name);
    if (message.sender)
        check_string(data, size, message.sender);
    if (message.text)
        check_string(data, size, message.text);
    if (message.signature && *message.signature)
        check_string(data, size, message.signature);
    for (size_t cut = 0; cut < size; cut++)
        fuzz_must(bus_message_read(&(struct bus_message){0}, data, cut) != 0,
                  "a part of a message is one");
}

/* The next of the strings in `text`, which is followed by an empty one. */
static const char *next_name(const char **text, const char *end)
{
    const char *name = *text;

    *text += strlen(name);
    if (*text < end)
        ++*text;
    return name;
}

static void check_build(const uint8_t *data, size_t size)
{
    static const char *const signatures[] = {"", "t", "ty", "s"};
    char *text = malloc(size + 1);
    const char *at = text;
    struct bus_message_call call = {.serial = (uint32_t)size + 1, .id = size, .locality = 4};
    struct bus_message message;
    uint8_t built[BUS_MESSAGE_CALL_MAX];
    bool fits = true;
    size_t got;

    fuzz_must(text, "no memory");
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    call.signature = signatures[size % 4];
    const char **names[] = {&call.destination, &call.path, &call.interface, &call.member,
                            &call.name};
    for (unsigned i = 0; i < 4 + (size % 4 == 3); i++) {
        *names[i] = next_name(&at, text + size);
        fits = fits && **names[i] && strlen(*names[i]) <= BUS_MESSAGE_NAME_MAX;
    }
    got = bus_message_build(built, &call);
    fuzz_must((got != 0) == fits, "a call is built, or not, against the length of its names");
    if (got) {
        fuzz_must(got <= sizeof(built) && bus_message_size(built) == got, "a call of another size");
        fuzz_must(bus_message_read(&message, built, got) == 0
                      && message.type == BUS_MESSAGE_METHOD_CALL,
                  "a call that is none");
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_read(data, size);
    check_build(data, size);
    return 0;
}
