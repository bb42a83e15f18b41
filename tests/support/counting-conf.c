/* SPDX-License-Identifier: BSD-2-Clause */
#include "counting-conf.h"

#include <stddef.h>
#include <string.h>

/* "2/1", of at most NEIGHBOUR_MOST each. */
static bool parse_wants(struct neighbour_wants *wants, const char *text)
{
    const char *digits = "012345678";

    if (!text)
        text = "1/1";
    if (strlen(text) != 3 || !strchr(digits, text[0]) || text[1] != '/' || !strchr(digits, text[2]))
        return false;
    wants->objects = (unsigned)(text[0] - '0');
    wants->sessions = (unsigned)(text[2] - '0');
    wants->load = wants->objects > 1;
    return true;
}

bool counting_conf_parse(struct counting_conf *conf, char *text)
{
    const char *wants = NULL;
    const struct {
        const char *key;
        const char **value;
    } keys[] = {
        {"server=", &conf->server},       {"ctrl=", &conf->ctrl},     {"next=", &conf->next},
        {"counts=", &conf->counts},       {"trace=", &conf->trace},   {"profile=", &conf->profile},
        {"faults=", &conf->faults},       {"fewer=", &conf->fewer},   {"wants=", &wants},
        {"neighbour=", &conf->neighbour}, {"vendor=", &conf->vendor},
    };

    *conf = (struct counting_conf){0};
    while (text && *text) {
        size_t i;

        for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (strncmp(text, keys[i].key, strlen(keys[i].key)) == 0)
                break;
        if (i == sizeof(keys) / sizeof(keys[0]))
            return false;
        *keys[i].value = text + strlen(keys[i].key);
        if (strcmp(keys[i].key, "next=") == 0)
            break;
        text = strchr(text, ',');
        if (text)
            *text++ = '\0';
    }
    return !conf->server != !conf->next && (!conf->ctrl || conf->server)
           && (!conf->profile || strcmp(conf->profile, "discrete") == 0)
           && (!conf->fewer || (conf->fewer[0] >= '1' && conf->fewer[0] <= '9' && !conf->fewer[1]))
           && parse_wants(&conf->wants, wants);
}
