/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace-capture.h"

#include "words.h"

#include <inttypes.h>
#include <string.h>

/* Blocks and options (IETF draft-ietf-opsawg-pcapng), in the byte order of this machine. */
#define PCAPNG_SECTION      UINT32_C(0x0A0D0D0A)
#define PCAPNG_INTERFACE    UINT32_C(1)
#define PCAPNG_PACKET       UINT32_C(6)
#define PCAPNG_ORDER        UINT32_C(0x1A2B3C4D)
#define PCAPNG_LINKTYPE_RAW 101 /* packets begin with the header of IP */
#define PCAPNG_COMMENT      1
#define PCAPNG_NAME         2 /* of the interface */
#define PCAPNG_DROPPED      4 /* packets lost before this one */
#define PCAPNG_RESOLUTION   9 /* of times; 9: nanoseconds */

#define CAPTURE_IP_SIZE  20
#define CAPTURE_TCP_SIZE 20
#define CAPTURE_HEADERS  (CAPTURE_IP_SIZE + CAPTURE_TCP_SIZE)
#define CAPTURE_MOST     (UINT16_MAX - CAPTURE_HEADERS) /* bytes of a segment */
#define CAPTURE_PORT     2321                           /* the TPM's */
#define CAPTURE_CLIENTS  50000                          /* ports for clients */
#define CAPTURE_CLIENT   10000                          /* the first of them */
#define CAPTURE_NETWORK  UINT32_C(0x7F000000)           /* 127.0.0.0 */
#define CAPTURE_PROGRAM  64

/* What both ends of each port have sent so far. */
struct trace_capture {
    uint32_t sent[CAPTURE_CLIENTS][2];
};

/* One end of a connection, and the other one. */
struct capture_way {
    uint32_t from, to; /* addresses */
    uint16_t from_port, to_port;
    uint32_t sequence, acknowledged;
};

struct trace_capture *trace_capture_new(void)
{
    return g_new0(struct trace_capture, 1);
}

void trace_capture_free(struct trace_capture *capture)
{
    g_free(capture);
}

static void capture_put(GString *file, const void *bytes, gsize size)
{
    g_string_append_len(file, bytes, (gssize)size);
}

static void capture_put_16(GString *file, uint16_t value)
{
    capture_put(file, &value, sizeof(value));
}

static void capture_put_32(GString *file, uint32_t value)
{
    capture_put(file, &value, sizeof(value));
}

/* To a multiple of four bytes. */
static void capture_pad(GString *file, gsize size)
{
    capture_put(file, "\0\0\0", -size & 3);
}

static void capture_put_option(GString *file, uint16_t option, const void *value, uint16_t size)
{
    capture_put_16(file, option);
    capture_put_16(file, size);
    capture_put(file, value, size);
    capture_pad(file, size);
}

/* Begins a block; gives where. */
static gsize capture_begin_block(GString *file, uint32_t type)
{
    gsize start = file->len;

    capture_put_32(file, type);
    capture_put_32(file, 0);
    return start;
}

/* Ends it after its options, and enters its size. */
static void capture_end_block(GString *file, gsize start)
{
    uint32_t size;

    capture_put_32(file, 0);
    size = (uint32_t)(file->len - start + sizeof(size));
    memcpy(file->str + start + 4, &size, sizeof(size));
    capture_put_32(file, size);
}

void trace_capture_begin(GString *file)
{
    static const int64_t unknown_size = -1;
    gsize start = capture_begin_block(file, PCAPNG_SECTION);

    capture_put_32(file, PCAPNG_ORDER);
    capture_put_16(file, 1);
    capture_put_16(file, 0);
    capture_put(file, &unknown_size, sizeof(unknown_size));
    capture_end_block(file, start);
    start = capture_begin_block(file, PCAPNG_INTERFACE);
    capture_put_16(file, PCAPNG_LINKTYPE_RAW);
    capture_put_16(file, 0);
    capture_put_32(file, 0);
    capture_put_option(file, PCAPNG_NAME, "tabrmd", 6);
    capture_put_option(file, PCAPNG_RESOLUTION, "\x09", 1);
    capture_end_block(file, start);
}

/* Adds to an internet checksum (RFC 1071). */
static uint32_t capture_sum(uint32_t sum, const uint8_t *bytes, gsize size)
{
    for (gsize i = 0; i + 1 < size; i += 2)
        sum += load_be16(bytes + i);
    if (size % 2)
        sum += (uint32_t)bytes[size - 1] << 8;
    return sum;
}

static uint16_t capture_checksum(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Writes the CAPTURE_HEADERS of a packet (RFC 791, RFC 9293). */
static void capture_headers(uint8_t *out, const struct capture_way *way, const uint8_t *bytes,
                            uint16_t size)
{
    uint8_t *tcp = out + CAPTURE_IP_SIZE;
    uint32_t sum = 6 + CAPTURE_TCP_SIZE + size;

    memset(out, 0, CAPTURE_HEADERS);
    out[0] = 0x45;
    store_be16(out + 2, (uint16_t)(CAPTURE_HEADERS + size));
    out[6] = 0x40; /* it is no fragment */
    out[8] = 64;
    out[9] = 6; /* TCP */
    store_be32(out + 12, way->from);
    store_be32(out + 16, way->to);
    store_be16(out + 10, capture_checksum(capture_sum(0, out, CAPTURE_IP_SIZE)));
    store_be16(tcp, way->from_port);
    store_be16(tcp + 2, way->to_port);
    store_be32(tcp + 4, way->sequence);
    store_be32(tcp + 8, way->acknowledged);
    tcp[12] = CAPTURE_TCP_SIZE / 4 << 4;
    tcp[13] = 0x18; /* PSH, ACK */
    store_be16(tcp + 14, UINT16_MAX);
    sum = capture_sum(sum, out + 12, 8 + CAPTURE_TCP_SIZE);
    store_be16(tcp + 16, capture_checksum(capture_sum(sum, bytes, size)));
}

static void capture_put_packet(GString *file, const struct capture_way *way, const uint8_t *bytes,
                               uint16_t size, gint64 time, const struct trace_record *record)
{
    g_autofree char *program = words_escape(record->program, CAPTURE_PROGRAM);
    g_autofree char *comment =
        g_strdup_printf("connection %" PRIu64 ", %s[%" PRIu32 "], user %" PRIu32, record->number,
                        program, record->pid, record->uid);
    gsize start = capture_begin_block(file, PCAPNG_PACKET);
    uint8_t headers[CAPTURE_HEADERS];

    capture_headers(headers, way, bytes, size);
    capture_put_32(file, 0);
    capture_put_32(file, (uint32_t)((uint64_t)time >> 32));
    capture_put_32(file, (uint32_t)time);
    capture_put_32(file, (uint32_t)(CAPTURE_HEADERS + size));
    capture_put_32(file, (uint32_t)(CAPTURE_HEADERS + size));
    capture_put(file, headers, sizeof(headers));
    capture_put(file, bytes, size);
    capture_pad(file, sizeof(headers) + size);
    capture_put_option(file, PCAPNG_COMMENT, comment, (uint16_t)strlen(comment));
    if (record->lost > 0 && way->to_port == CAPTURE_PORT)
        capture_put_option(file, PCAPNG_DROPPED, &record->lost, sizeof(record->lost));
    capture_end_block(file, start);
}

static struct capture_way capture_back(const struct capture_way *way)
{
    return (struct capture_way){
        .from = way->to,
        .to = way->from,
        .from_port = way->to_port,
        .to_port = way->from_port,
        .sequence = way->acknowledged,
        .acknowledged = way->sequence,
    };
}

void trace_capture_add(struct trace_capture *capture, GString *file,
                       const struct trace_record *record, const uint8_t *bytes, gint64 began)
{
    uint16_t command = (uint16_t)MIN(record->bytes.command, CAPTURE_MOST);
    uint16_t response = (uint16_t)MIN(record->bytes.response, CAPTURE_MOST);
    unsigned client = (unsigned)(record->number % CAPTURE_CLIENTS);
    uint32_t *sent = capture->sent[client];
    struct capture_way way = {
        .from = CAPTURE_NETWORK + 2 + (uint32_t)(record->number / CAPTURE_CLIENTS % 65536),
        .to = CAPTURE_NETWORK + 1,
        .from_port = (uint16_t)(CAPTURE_CLIENT + client),
        .to_port = CAPTURE_PORT,
        .sequence = sent[0],
        .acknowledged = sent[1],
    };
    struct capture_way back;

    if (command == 0)
        return;
    capture_put_packet(file, &way, bytes, command, began, record);
    way.sequence += command;
    back = capture_back(&way);
    if (response > 0)
        capture_put_packet(file, &back, bytes + record->bytes.command, response,
                           began + (gint64)record->chip, record);
    sent[0] = way.sequence;
    sent[1] = way.acknowledged + response;
}
