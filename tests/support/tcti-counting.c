/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCTI module that stands between a resource manager and a TPM. It counts the commands that go
 * through, can write them down, can play a slow chip, and can break things on purpose. Below it
 * stands swtpm by its Unix sockets, or any other TCTI.
 *
 * counting-conf.h says how it is configured.
 *
 * A command passes three phases: a timer runs where there is a delay or a fault, then the lower
 * TCTI works, then its answer waits here to be fetched. The poll handle is an epoll descriptor that
 * holds what the present phase waits for, so that a slow chip is slow to poll() too.
 */
#include "counting-conf.h"
#include "counts.h"
#include "discrete.h"
#include "faults.h"
#include "neighbour-tcti.h"
#include "slots.h"
#include "tcti-swtpm.h"
#include "vendor-command.h"
#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define COUNTING_MAGIC        UINT64_C(0x636f756e74696e67)
#define COUNTING_POLL_HANDLES 4

enum phase { PHASE_IDLE, PHASE_TIMER, PHASE_LOWER, PHASE_ANSWER };

struct counting {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    TSS2_TCTI_CONTEXT *lower; /* NULL once the transport broke */
    bool lower_is_swtpm;
    bool slow; /* profile=discrete */
    struct counts *counts;
    struct faults *faults;
    struct slots *slots;              /* NULL: the chip's own */
    struct neighbour_tcti *neighbour; /* NULL: nobody else uses the chip */
    struct vendor_command vendor;
    uint32_t code; /* of the command that is under way */
    int trace;
    int timer;
    int gate; /* epoll, or -1 when the lower TCTI cannot be polled */
    enum phase phase;
    struct fault fault; /* of the command that is under way */
    size_t answer_size;
    uint8_t answer[TCTI_SWTPM_RESPONSE_MAX];
};

static struct counting *counting(TSS2_TCTI_CONTEXT *tcti)
{
    return (struct counting *)(void *)tcti;
}

/* Lets the gate wait for the lower TCTI's descriptors, or for none. */
static bool gate_lower(struct counting *self, bool wait)
{
    TSS2_TCTI_POLL_HANDLE handles[COUNTING_POLL_HANDLES];
    size_t count = COUNTING_POLL_HANDLES;

    if (self->gate < 0 || !self->lower)
        return true;
    if (Tss2_Tcti_GetPollHandles(self->lower, handles, &count) != TSS2_RC_SUCCESS)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN};

        if (epoll_ctl(self->gate, wait ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, handles[i].fd, &event) < 0
            && errno != EEXIST && errno != ENOENT)
            return false;
    }
    return true;
}

/* Arms the timer; 0 lets it expire at once. */
static void timer_start(struct counting *self, uint32_t ms)
{
    struct itimerspec when = {.it_value = {ms / 1000, (long)(ms % 1000) * 1000000}};

    if (ms == 0)
        when.it_value.tv_nsec = 1;
    timerfd_settime(self->timer, 0, &when, NULL);
}

static void timer_stop(struct counting *self)
{
    struct itimerspec never = {.it_value = {0, 0}};

    timerfd_settime(self->timer, 0, &never, NULL);
}

static void lower_free(struct counting *self)
{
    (void)gate_lower(self, false);
    if (self->lower_is_swtpm)
        tcti_swtpm_free(self->lower);
    else
        Tss2_TctiLdr_Finalize(&self->lower);
    self->lower = NULL;
}

static void write_trace(struct counting *self, const uint8_t *command, size_t size)
{
    char line[32];
    int length;

    if (self->trace < 0)
        return;
    if (size >= HEADER_SIZE + 4)
        length = snprintf(line, sizeof(line), "0x%08X 0x%08X\n", header_load(command).code,
                          load_be32(command + HEADER_SIZE));
    else
        length = snprintf(line, sizeof(line), "0x%08X -\n", header_load(command).code);
    if (write(self->trace, line, (size_t)length) != length)
        perror("counting TCTI: trace");
}

static bool reaches_chip(const struct counting *self)
{
    return self->fault.kind != FAULT_RC && self->fault.kind != FAULT_DROP;
}

/* The answer to the command is `code`, if that is one. */
static void refuse(struct counting *self, TSS2_RC code)
{
    if (code != TSS2_RC_SUCCESS)
        self->fault = (struct fault){FAULT_RC, code};
}

static TSS2_RC counting_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *command)
{
    struct counting *self = counting(tcti);
    TSS2_RC rc = TSS2_RC_SUCCESS;
    uint32_t code, ms;

    if (!command || size < HEADER_SIZE)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (self->phase != PHASE_IDLE)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (!self->lower)
        return TSS2_TCTI_RC_IO_ERROR;
    self->code = code = header_load(command).code;
    if (self->counts)
        counts_add(self->counts, code);
    write_trace(self, command, size);
    self->fault = self->faults ? faults_next(self->faults, code) : (struct fault){FAULT_NONE, 0};
    if (vendor_command_is(&self->vendor, command, size))
        self->fault = (struct fault){FAULT_RC, TPM2_RC_SUCCESS};
    if (self->slots && reaches_chip(self))
        refuse(self, slots_judge(self->slots, self->lower, command, size));
    if (reaches_chip(self))
        rc = Tss2_Tcti_Transmit(self->lower, size, command);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    ms = self->slow ? discrete_ms(code) : 0;
    if (self->fault.kind == FAULT_DELAY)
        ms += self->fault.value;
    if (ms == 0 && reaches_chip(self)) {
        self->phase = PHASE_LOWER;
        return gate_lower(self, true) ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
    }
    self->phase = PHASE_TIMER;
    timer_start(self, ms);
    return TSS2_RC_SUCCESS;
}

/* Waits for the timer, up to `timeout` milliseconds (negative: for ever). */
static TSS2_RC wait_timer(struct counting *self, int32_t timeout)
{
    struct pollfd pollfd = {.fd = self->timer, .events = POLLIN};
    int ready;

    do
        ready = poll(&pollfd, 1, timeout);
    while (ready < 0 && errno == EINTR);
    return ready > 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_TRY_AGAIN;
}

/* What comes after the timer. */
static TSS2_RC end_timer(struct counting *self)
{
    timer_stop(self);
    if (self->fault.kind == FAULT_DROP) {
        lower_free(self);
        self->phase = PHASE_IDLE;
        return TSS2_TCTI_RC_IO_ERROR;
    }
    if (self->fault.kind == FAULT_RC) {
        header_store(self->answer, TPM2_ST_NO_SESSIONS, HEADER_SIZE, self->fault.value);
        self->answer_size = HEADER_SIZE;
        self->phase = PHASE_ANSWER;
        return TSS2_RC_SUCCESS;
    }
    self->phase = PHASE_LOWER;
    return gate_lower(self, true) ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

/* Spoils the answer as the fault says. */
static void spoil(struct counting *self)
{
    if (self->fault.kind == FAULT_CUT && self->fault.value < self->answer_size)
        self->answer_size = self->fault.value;
    if (self->fault.kind == FAULT_GARBAGE) {
        uint32_t noise = 0x9E3779B9;

        for (size_t i = 0; i < self->answer_size; i++) {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            self->answer[i] = (uint8_t)noise;
        }
    }
}

static TSS2_RC fetch_lower(struct counting *self, int32_t timeout)
{
    TSS2_RC rc;

    self->answer_size = sizeof(self->answer);
    rc = Tss2_Tcti_Receive(self->lower, &self->answer_size, self->answer, timeout);
    if (rc == TSS2_TCTI_RC_TRY_AGAIN)
        return rc;
    (void)gate_lower(self, false);
    self->phase = rc == TSS2_RC_SUCCESS ? PHASE_ANSWER : PHASE_IDLE;
    if (rc == TSS2_RC_SUCCESS && self->neighbour)
        neighbour_tcti_between(self->neighbour, self->lower, self->code);
    if (rc == TSS2_RC_SUCCESS && self->slots)
        slots_learn(self->slots, self->answer, self->answer_size);
    if (rc == TSS2_RC_SUCCESS)
        self->answer_size = vendor_command_add(&self->vendor, self->answer, self->answer_size,
                                               sizeof(self->answer));
    if (rc == TSS2_RC_SUCCESS)
        spoil(self);
    return rc;
}

static TSS2_RC counting_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
                                int32_t timeout)
{
    struct counting *self = counting(tcti);
    TSS2_RC rc;

    if (!size)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (self->phase == PHASE_IDLE)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (self->phase == PHASE_TIMER) {
        rc = wait_timer(self, timeout);
        if (rc == TSS2_RC_SUCCESS)
            rc = end_timer(self);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    if (self->phase == PHASE_LOWER) {
        rc = fetch_lower(self, timeout);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    if (response && *size < self->answer_size) {
        *size = self->answer_size;
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    *size = self->answer_size;
    if (response) {
        memcpy(response, self->answer, self->answer_size);
        explicit_bzero(self->answer, self->answer_size);
        self->phase = PHASE_IDLE;
    }
    return TSS2_RC_SUCCESS;
}

/* A cancel ends the wait of a slow chip, too. */
static TSS2_RC counting_cancel(TSS2_TCTI_CONTEXT *tcti)
{
    struct counting *self = counting(tcti);

    if (self->phase == PHASE_IDLE)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (self->phase == PHASE_ANSWER || !self->lower)
        return TSS2_RC_SUCCESS;
    if (self->phase == PHASE_TIMER && self->fault.kind == FAULT_DELAY)
        timer_start(self, 0);
    if (!reaches_chip(self))
        return TSS2_RC_SUCCESS;
    return Tss2_Tcti_Cancel(self->lower);
}

static TSS2_RC counting_poll_handles(TSS2_TCTI_CONTEXT *tcti, TSS2_TCTI_POLL_HANDLE *handles,
                                     size_t *count)
{
    struct counting *self = counting(tcti);

    if (!count)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (self->gate < 0)
        return TSS2_TCTI_RC_NOT_IMPLEMENTED;
    if (handles && *count < 1)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    if (handles)
        handles[0] = (struct pollfd){.fd = self->gate, .events = POLLIN};
    *count = 1;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC counting_set_locality(TSS2_TCTI_CONTEXT *tcti, uint8_t locality)
{
    struct counting *self = counting(tcti);

    if (self->phase != PHASE_IDLE)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    return self->lower ? Tss2_Tcti_SetLocality(self->lower, locality) : TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC counting_make_sticky(TSS2_TCTI_CONTEXT *tcti, TPM2_HANDLE *handle, uint8_t sticky)
{
    struct counting *self = counting(tcti);

    return self->lower ? Tss2_Tcti_MakeSticky(self->lower, handle, sticky) : TSS2_TCTI_RC_IO_ERROR;
}

static void counting_finalize(TSS2_TCTI_CONTEXT *tcti)
{
    struct counting *self = counting(tcti);

    lower_free(self);
    counts_close(self->counts);
    faults_free(self->faults);
    slots_free(self->slots);
    neighbour_tcti_free(self->neighbour);
    if (self->trace >= 0)
        close(self->trace);
    if (self->timer >= 0)
        close(self->timer);
    if (self->gate >= 0)
        close(self->gate);
    explicit_bzero(self->answer, sizeof(self->answer));
}

static TSS2_RC open_lower(struct counting *self, const struct counting_conf *conf)
{
    size_t handles;

    if (conf->next) {
        TSS2_RC rc = Tss2_TctiLdr_Initialize(conf->next, &self->lower);

        if (rc != TSS2_RC_SUCCESS) {
            self->lower = NULL; /* what a loader that failed left there is no context */
            return rc;
        }
    } else {
        self->lower_is_swtpm = true;
        self->lower = tcti_swtpm_new(conf->server, conf->ctrl);
        if (!self->lower) {
            fprintf(stderr, "counting TCTI: no swtpm at %s: %s\n", conf->server, strerror(errno));
            return TSS2_TCTI_RC_IO_ERROR;
        }
    }
    if (Tss2_Tcti_GetPollHandles(self->lower, NULL, &handles) == TSS2_RC_SUCCESS
        && handles <= COUNTING_POLL_HANDLES) {
        struct epoll_event event = {.events = EPOLLIN};

        self->gate = epoll_create1(EPOLL_CLOEXEC);
        if (self->gate < 0 || epoll_ctl(self->gate, EPOLL_CTL_ADD, self->timer, &event) < 0)
            return TSS2_TCTI_RC_GENERAL_FAILURE;
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC counting_open(struct counting *self, const struct counting_conf *conf)
{
    self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self->timer < 0)
        return TSS2_TCTI_RC_GENERAL_FAILURE;
    self->slow = conf->profile != NULL;
    if (conf->vendor)
        self->vendor = vendor_command_read(conf->vendor);
    if (conf->trace) {
        self->trace = open(conf->trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (self->trace < 0) {
            fprintf(stderr, "counting TCTI: %s: %s\n", conf->trace, strerror(errno));
            return TSS2_TCTI_RC_BAD_VALUE;
        }
    }
    if (conf->counts && !(self->counts = counts_open(conf->counts))) {
        fprintf(stderr, "counting TCTI: %s: %s\n", conf->counts, strerror(errno));
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    if (conf->faults && !(self->faults = faults_new(conf->faults)))
        return TSS2_TCTI_RC_MEMORY;
    if (conf->fewer && !(self->slots = slots_new((uint32_t)(conf->fewer[0] - '0'))))
        return TSS2_TCTI_RC_MEMORY;
    if (conf->neighbour && !(self->neighbour = neighbour_tcti_new(&conf->wants, conf->neighbour))) {
        fprintf(stderr, "counting TCTI: %s: %s\n", conf->neighbour, strerror(errno));
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    return open_lower(self, conf);
}

static TSS2_RC counting_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *config)
{
    struct counting *self = counting(tcti);
    struct counting_conf conf;
    char *text;
    TSS2_RC rc;

    if (!size)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (!tcti) {
        *size = sizeof(*self);
        return TSS2_RC_SUCCESS;
    }
    if (*size < sizeof(*self))
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    text = strdup(config ? config : "");
    if (!text)
        return TSS2_TCTI_RC_MEMORY;
    memset(self, 0, sizeof(*self));
    self->trace = self->timer = self->gate = -1;
    rc = counting_conf_parse(&conf, text) ? counting_open(self, &conf) : TSS2_TCTI_RC_BAD_VALUE;
    free(text);
    if (rc != TSS2_RC_SUCCESS) {
        counting_finalize(tcti);
        return rc;
    }
    self->common = (TSS2_TCTI_CONTEXT_COMMON_V2){
        .v1 = {.magic = COUNTING_MAGIC,
               .version = 2,
               .transmit = counting_transmit,
               .receive = counting_receive,
               .finalize = counting_finalize,
               .cancel = counting_cancel,
               .getPollHandles = counting_poll_handles,
               .setLocality = counting_set_locality},
        .makeSticky = counting_make_sticky,
    };
    return TSS2_RC_SUCCESS;
}

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
    static const TSS2_TCTI_INFO info = {
        .version = 2,
        .name = "tcti-counting",
        .description = "counts, slows and breaks commands on their way to a TPM",
        .config_help = "server=PATH,ctrl=PATH or next=CONF last; counts=PATH, trace=PATH, "
                       "profile=discrete, faults=PATH, fewer=COUNT",
        .init = counting_init,
    };

    return &info;
}
