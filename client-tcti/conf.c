/* SPDX-License-Identifier: BSD-2-Clause */
/* A table of keys; each key has a function that checks its value and stores it. */
#include "conf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct conf_value {
    const char *text; /* not terminated */
    size_t length;
};

static bool conf_value_is(struct conf_value value, const char *word)
{
    return value.length == strlen(word) && memcmp(value.text, word, value.length) == 0;
}

static bool conf_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

static bool conf_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* D-Bus specification, "Bus names": two or more elements of [A-Za-z0-9_-], with dots between;
 * an element begins with a digit only in a unique name, which begins with a colon. */
static bool conf_is_bus_name(struct conf_value value)
{
    bool unique = value.text[0] == ':', at_start = true;
    bool dotted = false;
    size_t i;

    for (i = unique; i < value.length; i++) {
        if (value.text[i] == '.') {
            if (at_start)
                return false;
            dotted = true;
            at_start = true;
        } else if (conf_is_letter(value.text[i])
                   || (conf_is_digit(value.text[i]) && (unique || !at_start))) {
            at_start = false;
        } else {
            return false;
        }
    }
    return dotted && !at_start;
}

static const char *conf_set_bus_name(struct conf *conf, struct conf_value value)
{
    if (value.length > CONF_BUS_NAME_MAX || !conf_is_bus_name(value))
        return "bus_name is no valid D-Bus name";
    memcpy(conf->bus_name, value.text, value.length);
    conf->bus_name[value.length] = '\0';
    return NULL;
}

static const char *conf_set_bus_type(struct conf *conf, struct conf_value value)
{
    if (conf_value_is(value, "system"))
        conf->bus = CONF_BUS_SYSTEM;
    else if (conf_value_is(value, "session"))
        conf->bus = CONF_BUS_SESSION;
    else
        return "bus_type is neither \"system\" nor \"session\"";
    return NULL;
}

static const char *conf_set_socket(struct conf *conf, struct conf_value value)
{
    if (value.text[0] != '/')
        return "socket is no absolute path";
    if (value.length > CONF_PATH_MAX)
        return "socket is a path longer than the 107 bytes that a Unix socket can have";
    memcpy(conf->socket, value.text, value.length);
    conf->socket[value.length] = '\0';
    return NULL;
}

static const char *conf_set_tpm(struct conf *conf, struct conf_value value)
{
    if (!tpm_name_is_good(value.text, value.length))
        return "tpm is no name of a TPM such as tpm1: up to 32 letters and digits, a letter first";
    snprintf(conf->bus_name, sizeof(conf->bus_name), TPM_NAME_BUS ".%.*s", (int)value.length,
             value.text);
    snprintf(conf->socket, sizeof(conf->socket), TPM_NAME_DIRECTORY "-%.*s/" TPM_NAME_SOCKET,
             (int)value.length, value.text);
    return NULL;
}

enum conf_key { CONF_BUS_NAME, CONF_BUS_TYPE, CONF_SOCKET_PATH, CONF_TPM, CONF_KEYS };

#define CONF_KEY(key) (1U << (key))

static const struct {
    const char *key;
    enum conf_transport transport; /* that the key asks for */
    unsigned excludes;             /* CONF_KEY()s that it does not go with */
    const char *(*set)(struct conf *conf, struct conf_value value);
} conf_keys[CONF_KEYS] = {
    [CONF_BUS_NAME] = {"bus_name", CONF_DBUS, CONF_KEY(CONF_SOCKET_PATH) | CONF_KEY(CONF_TPM),
                       conf_set_bus_name},
    [CONF_BUS_TYPE] = {"bus_type", CONF_DBUS, CONF_KEY(CONF_SOCKET_PATH), conf_set_bus_type},
    [CONF_SOCKET_PATH] = {"socket", CONF_SOCKET,
                          CONF_KEY(CONF_BUS_NAME) | CONF_KEY(CONF_BUS_TYPE) | CONF_KEY(CONF_TPM),
                          conf_set_socket},
    [CONF_TPM] = {"tpm", CONF_DEFAULT, CONF_KEY(CONF_BUS_NAME) | CONF_KEY(CONF_SOCKET_PATH),
                  conf_set_tpm},
};

/* `seen` has the CONF_KEY()s of items before. */
static const char *conf_item(struct conf *conf, unsigned *seen, struct conf_value item)
{
    const char *equals = memchr(item.text, '=', item.length);
    struct conf_value key, value;
    size_t i;

    if (equals == NULL)
        return "an item has no \"=\"";
    key = (struct conf_value){item.text, (size_t)(equals - item.text)};
    value = (struct conf_value){equals + 1, item.length - key.length - 1};
    for (i = 0; i < CONF_KEYS && !conf_value_is(key, conf_keys[i].key); i++)
        ;
    if (i == CONF_KEYS)
        return "a key is none of bus_name, bus_type, socket, tpm";
    if (*seen & CONF_KEY(i))
        return "a key comes twice";
    if (value.length == 0)
        return "a key has no value";
    if (*seen & conf_keys[i].excludes)
        return "socket does not go with another key, nor tpm with bus_name";
    *seen |= CONF_KEY(i);
    if (conf_keys[i].transport != CONF_DEFAULT)
        conf->transport = conf_keys[i].transport;
    return conf_keys[i].set(conf, value);
}

const char *conf_parse(struct conf *conf, const char *text)
{
    unsigned seen = 0;
    struct conf_value item;
    const char *wrong;

    *conf = (struct conf){.transport = CONF_DEFAULT, .bus = CONF_BUS_SYSTEM};
    memcpy(conf->bus_name, CONF_DEFAULT_BUS_NAME, sizeof(CONF_DEFAULT_BUS_NAME));
    memcpy(conf->socket, CONF_DEFAULT_SOCKET, sizeof(CONF_DEFAULT_SOCKET));
    if (text == NULL)
        return NULL;
    for (;;) {
        item = (struct conf_value){text, strcspn(text, ",")};
        if (item.length > 0) {
            wrong = conf_item(conf, &seen, item);
            if (wrong != NULL)
                return wrong;
        }
        text += item.length;
        if (*text == '\0')
            return NULL;
        text++;
    }
}
