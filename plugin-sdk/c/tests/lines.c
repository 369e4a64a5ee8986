/*
 * The line splitter of wasmplex.h against a plain reference, for every cut of each body in two,
 * for every chunk length, and byte by byte. A program of its own, native or a wasm command:
 *
 *     cc -std=c99 -Wall -Wextra -fsanitize=address,undefined -I.. lines.c && ./a.out
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmplex.h"

#define BODY_MAX 256

/* The host's part: nothing that is emitted or logged is looked at. */
#if !defined(__wasm__)
int32_t wasmplex_emit(const void *bytes, size_t len) { return (void)bytes, (void)len, 0; }
void wasmplex_log(int32_t level, const char *line, size_t len) {
    (void)level, (void)line, (void)len;
}
int32_t wasmplex_response_status(int32_t code) { return (void)code, 0; }

/* One field, "name" with the value "four". */
int32_t wasmplex_request_field(const char *name, size_t name_len, void *buf, size_t cap) {
    if (name_len != 4 || memcmp(name, "name", 4) != 0) {
        return -1;
    }
    if (cap >= 4) {
        memcpy(buf, "four", 4);
    }
    return 4;
}
#endif

/* What a splitter made of a body: each line in brackets, then how it ended. */
struct outcome {
    char text[4 * BODY_MAX];
    size_t len;
};

static void add(struct outcome *outcome, const void *bytes, size_t len) {
    assert(len <= sizeof outcome->text - outcome->len);
    memcpy(outcome->text + outcome->len, bytes, len);
    outcome->len += len;
}

static void add_line(struct outcome *outcome, const uint8_t *line, size_t len) {
    add(outcome, "[", 1);
    add(outcome, line, len);
    add(outcome, "]", 1);
}

static struct outcome reference(const uint8_t *body, size_t len, size_t max) {
    struct outcome outcome = {{0}, 0};
    size_t start = 0;
    for (size_t at = 0; at < len; at++) {
        if (body[at] == '\n') {
            add_line(&outcome, body + start, at - start);
            start = at + 1;
        } else if (at + 1 - start > max) {
            add(&outcome, "too long", 8);
            return outcome;
        }
    }
    if (start < len) {
        add_line(&outcome, body + start, len - start);
    }
    return outcome;
}

/* Each chunk in a region that is overwritten after the call, as the host does. */
static int feed(wasmplex_lines *lines, const uint8_t *bytes, size_t len, struct outcome *outcome) {
    uint8_t chunk[BODY_MAX];
    uint8_t *line;
    size_t line_len;
    enum wasmplex_line taken;
    memcpy(chunk, bytes, len);
    wasmplex_lines_feed(lines, chunk, len);
    while ((taken = wasmplex_lines_next(lines, &line, &line_len)) == WASMPLEX_LINE) {
        add_line(outcome, line, line_len);
        memset(line, '?', line_len); /* ours to change */
    }
    memset(chunk, '!', sizeof chunk);
    return taken == WASMPLEX_LINE_NONE;
}

/* The first piece has `first` bytes, all others `others`. */
static struct outcome cut(const uint8_t *body, size_t len, size_t max, size_t first,
                          size_t others) {
    uint8_t held[BODY_MAX];
    wasmplex_lines lines = {held, max, 0, NULL, 0, 0};
    struct outcome outcome = {{0}, 0};
    uint8_t *line;
    size_t line_len;
    size_t piece = first;
    for (size_t at = 0; at < len; at += piece, piece = others) {
        if (piece > len - at) {
            piece = len - at;
        }
        if (!feed(&lines, body + at, piece, &outcome)) {
            uint8_t newline = '\n';
            wasmplex_lines_feed(&lines, &newline, 1); /* too late */
            assert(wasmplex_lines_next(&lines, &line, &line_len) == WASMPLEX_LINE_TOO_LONG);
            assert(wasmplex_lines_last(&lines, &line, &line_len) == WASMPLEX_LINE_TOO_LONG);
            add(&outcome, "too long", 8);
            return outcome;
        }
    }
    if (wasmplex_lines_last(&lines, &line, &line_len) == WASMPLEX_LINE) {
        add_line(&outcome, line, line_len);
    }
    assert(wasmplex_lines_last(&lines, &line, &line_len) == WASMPLEX_LINE_NONE);
    return outcome;
}

static void agree(struct outcome wanted, struct outcome got) {
    if (wanted.len != got.len || memcmp(wanted.text, got.text, got.len) != 0) {
        printf("wanted %.*s\n   got %.*s\n", (int)wanted.len, wanted.text, (int)got.len, got.text);
        abort();
    }
}

static void every_cut(const uint8_t *body, size_t len, size_t max) {
    const struct outcome wanted = reference(body, len, max);
    agree(wanted, cut(body, len, max, len, len));
    for (size_t first = 0; first <= len; first++) {
        agree(wanted, cut(body, len, max, first, len));
        agree(wanted, cut(body, len, max, first + 1, first + 1));
    }
}

/* 16 of them, the good ones of a linear congruential generator. */
static uint32_t random_bits(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void lines_however_the_body_is_cut(void) {
    static const char *const bodies[] = {"",      "\n",     "a",       "a\n",     "\n\n\n",
                                         "a\r\n", "a\n\nb", "ab\ncd\n", "one\ntwo\nthree"};
    for (size_t at = 0; at < sizeof bodies / sizeof bodies[0]; at++) {
        for (size_t max = 1; max <= 6; max++) {
            every_cut((const uint8_t *)bodies[at], strlen(bodies[at]), max);
        }
    }
    uint8_t body[BODY_MAX];
    uint32_t seed = 1;
    for (int round = 0; round < 300; round++) {
        const uint32_t one_in = 1 + random_bits(&seed) % 50; /* from all newlines to few */
        for (size_t at = 0; at < sizeof body; at++) {
            const uint32_t bits = random_bits(&seed);
            body[at] = bits % one_in == 0 ? '\n' : (uint8_t)('a' + (bits >> 8) % 26);
        }
        every_cut(body, 1 + random_bits(&seed) % BODY_MAX, 1 + random_bits(&seed) % 200);
    }
}

static void find_at_every_place(void) {
    uint8_t bytes[80];
    for (size_t from = 0; from < 16; from++) {
        for (size_t len = 0; len <= 64; len++) {
            memset(bytes, 'x', sizeof bytes);
            bytes[from + len] = 'n'; /* just behind: not to be found */
            assert(wasmplex_find(bytes + from, len, 'n') == len);
            for (size_t place = len; place-- > 0;) {
                bytes[from + place] = 'n';
                assert(wasmplex_find(bytes + from, len, 'n') == place);
            }
        }
    }
}

#if !defined(__wasm__)
static void values_fit_with_their_nul(void) {
    char buf[8];
    size_t len = 99;
    memset(buf, '.', sizeof buf);
    assert(wasmplex_get_field("name", buf, 5, &len) == WASMPLEX_FOUND);
    assert(len == 4 && memcmp(buf, "four\0.", 6) == 0);
    assert(wasmplex_get_field("name", buf, 4, &len) == WASMPLEX_TOO_LONG);
    assert(len == 4 && buf[0] == '\0');
    assert(wasmplex_get_field("name", NULL, 0, NULL) == WASMPLEX_TOO_LONG);
    assert(wasmplex_get_field("other", buf, sizeof buf, &len) == WASMPLEX_ABSENT);
    assert(len == 0 && buf[0] == '\0');
    assert(wasmplex_get_field("other", NULL, 0, &len) == WASMPLEX_ABSENT);
}
#endif

int main(void) {
    find_at_every_place();
    lines_however_the_body_is_cut();
#if !defined(__wasm__)
    values_fit_with_their_nul();
#endif
    puts("lines: ok");
    return 0;
}
