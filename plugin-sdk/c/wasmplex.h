/*
 * wasmplex.h: write wasmplex plugins in C (C99 or later) and C++ (C++17 or later).
 *
 * A plugin turns the body of an HTTP request into the body of its response while the
 * request is still arriving. It exports functions that the host calls, and calls the
 * imports that are declared here. All of a plugin, in a file of its own:
 *
 *     #include "wasmplex.h"
 *
 *     WASMPLEX_CHUNK_BUFFER();
 *
 *     WASMPLEX_EXPORT("on_chunk")
 *     int32_t on_chunk(uint8_t *chunk, size_t len) {
 *         wasmplex_emit(chunk, len);
 *         return WASMPLEX_GO_ON;
 *     }
 *
 * This one file is all there is: no library, and no libc needed (with wasi-libc it
 * works as well). In this order: limits and codes, what a plugin exports, what it
 * imports, helpers, and the same for C++ in namespace `wasmplex`.
 *
 * One instance of the module serves one exchange (a request and its response) on one
 * thread, so plain globals are the place for state, and nobody else sees them.
 *
 * On other targets than wasm this compiles too, with the imports as ordinary functions,
 * so that a test can define them and call the plugin natively.
 */
#ifndef WASMPLEX_H
#define WASMPLEX_H

#include <stddef.h>
#include <stdint.h>

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

#if defined(__wasm64__)
#error "wasmplex plugins have 32-bit memory: build with --target=wasm32"
#endif

/* Limits. */

/** The longest chunk, in bytes, and so the size of the chunk buffer. */
#define WASMPLEX_CHUNK_MAX 65536

/** The longest line of `wasmplex_log`, in bytes; the host cuts what is longer. */
#define WASMPLEX_LOG_MAX 4096

/** What the entry points answer. In brackets: which of them may. */
enum wasmplex_code {
    /** The chunk is refused or the plugin has failed. Before the response head is out the
        client gets the 4xx or 5xx of `wasmplex_response_status`, otherwise 500; afterwards
        the connection is cut. [all] */
    WASMPLEX_REJECTED = -1,
    /** Go on: the response head leaves, the next chunk comes. [all; `on_end`: done] */
    WASMPLEX_GO_ON = 0,
    /** The response is complete, whatever is still to come of the body.
        [on_open, on_chunk, on_timer] */
    WASMPLEX_FINISH = 1,
    /** Copy (the rest of) the body through unchanged, without asking the plugin again.
        [on_open, on_chunk, on_timer] */
    WASMPLEX_PASS = 2,
    /** Keep the response head back until the first emit or the end, so that the status may
        depend on the body. [on_open] */
    WASMPLEX_HOLD = 3
};

/** How much a log line matters. */
enum wasmplex_level {
    WASMPLEX_TRACE = 0,
    WASMPLEX_DEBUG = 1,
    WASMPLEX_INFO = 2,
    WASMPLEX_WARN = 3,
    WASMPLEX_ERROR = 4
};

/*
 * What a plugin exports.
 *
 * `WASMPLEX_EXPORT("name")` before a definition makes it the module's export of that
 * name. The declarations below are there for the compiler to check the signatures: define
 * those of them that the plugin needs. Required are `on_chunk` and `chunk_buffer`.
 */

#if defined(__wasm__)
#define WASMPLEX_EXPORT(name) __attribute__((export_name(name)))
#define WASMPLEX_IMPORT(name) __attribute__((import_module("wasmplex"), import_name(name)))
#else
#define WASMPLEX_EXPORT(name)
#define WASMPLEX_IMPORT(name)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Before the response head leaves; no byte of the body has been read. Optional.
    Answers GO_ON, FINISH, PASS, HOLD or REJECTED. */
int32_t on_open(void);

/** A piece of the body, of 1 to WASMPLEX_CHUNK_MAX bytes, while the upload may still be
    open. Where the body is cut into chunks means nothing and differs from run to run.
    `chunk` is in the chunk buffer: change it in place if you like; the next call overwrites it.
    Answers GO_ON, FINISH, PASS or REJECTED. */
int32_t on_chunk(uint8_t *chunk, size_t len);

/** The body is complete: emit what is still held back. Never called after a body that
    broke off. Optional. Answers GO_ON or REJECTED. */
int32_t on_end(void);

/** The timer of `wasmplex_set_timer` has fired. Optional. Answers as `on_chunk`. */
int32_t on_timer(void);

/** Where the host may put chunks of up to `cap` (WASMPLEX_CHUNK_MAX) bytes: called once, first of
    all; the region must stay where it is. NULL refuses the exchange (500).
    WASMPLEX_CHUNK_BUFFER() defines it. */
uint8_t *chunk_buffer(size_t cap);

/** Defines the chunk buffer, 64 KiB of static memory, and its export `chunk_buffer`. Once in
    a plugin, outside of functions, with a semicolon after it. */
#define WASMPLEX_CHUNK_BUFFER()                                                              \
    static uint8_t wasmplex_chunk_[WASMPLEX_CHUNK_MAX] __attribute__((aligned(16)));         \
    WASMPLEX_EXPORT("chunk_buffer")                                                          \
    uint8_t *chunk_buffer(size_t cap) {                                                      \
        return cap <= sizeof wasmplex_chunk_ ? wasmplex_chunk_ : (uint8_t *)0;               \
    }                                                                                        \
    uint8_t *chunk_buffer(size_t cap)

/*
 * What a plugin imports. Strings are a pointer and a length in bytes; the host traps the
 * plugin if they lie outside of its memory.
 */

/** Sends `len` bytes to the client, and before the first of them the response head if it is
    not out yet. Waits while the client does not read (so nothing need be bounded here), and
    does not return if it goes away. No bytes, no effect. Always 0. */
WASMPLEX_IMPORT("emit")
int32_t wasmplex_emit(const void *bytes, size_t len);

/** Writes a line of UTF-8 (anything else is replaced) to the host's log, which adds plugin and
    exchange. At most WASMPLEX_LOG_MAX bytes, and 100 lines at once, then 10 a second; what is
    too much is dropped. `level` is an `enum wasmplex_level`. */
WASMPLEX_IMPORT("log")
void wasmplex_log(int32_t level, const char *line, size_t len);

/** Copies the value of a field of the request head to `buf`, if it has at most `cap` bytes; no
    NUL is added. The value's length in bytes, so more than `cap` says that nothing was written;
    -1 if the request has no such field. Names are case-insensitive; fields of one name are
    joined with ", ". `:method :path :query :version :peer :plugin` are there as well. */
WASMPLEX_IMPORT("request_field")
int32_t wasmplex_request_field(const char *name, size_t name_len, void *buf, size_t cap);

/** Sets the response's status (200 if it is not called). 0; -1 once the head is out, or if
    `code` is not 200 to 599. */
WASMPLEX_IMPORT("response_status")
int32_t wasmplex_response_status(int32_t code);

/** Sets a field of the response head in place of an earlier one of that name (`set-cookie` adds).
    0; -1 once the head is out, or if it is invalid (not a token; CR, LF or NUL), the host's
    own (`connection`, `transfer-encoding`, `date`, …), or beyond 64 fields or 16 KiB.
    `content-length` is taken, and then enforced on what is emitted. */
WASMPLEX_IMPORT("response_field")
int32_t wasmplex_response_field(const char *name, size_t name_len, const char *value,
                                size_t value_len);

/** A value of `config` in the plugin's manifest, in the manner of `wasmplex_request_field`. */
WASMPLEX_IMPORT("config")
int32_t wasmplex_config(const char *key, size_t key_len, void *buf, size_t cap);

/** Has `on_timer` called once, `ms` milliseconds from now, in place of a timer set before;
    0 cancels. The end of the body cancels it too, unless it was set in `on_end` or there was no
    body. 0, or -1 if the plugin exports no `on_timer`. */
WASMPLEX_IMPORT("set_timer")
int32_t wasmplex_set_timer(uint32_t ms);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* Helpers. `text` is NUL-terminated: what C calls a string. */

/** The length of `text` in bytes: strlen, which a plugin without libc has not. */
static inline size_t wasmplex_length(const char *text) {
    size_t len = 0;
    while (text[len] != '\0') {
        len++;
    }
    return len;
}

/** Copies `len` bytes between regions that do not overlap: memcpy, likewise. */
static inline void wasmplex_copy(uint8_t *to, const uint8_t *from, size_t len) {
#if defined(__wasm_bulk_memory__) || !defined(__wasm__)
    __builtin_memcpy(to, from, len); /* one instruction */
#else
    for (size_t at = 0; at < len; at++) {
        to[at] = from[at];
    }
#endif
}

/** Where in the `len` bytes the first `wanted` is; `len` if there is none. 16 bytes at a time
    where the build has -msimd128. */
static inline size_t wasmplex_find(const uint8_t *bytes, size_t len, uint8_t wanted) {
    size_t at = 0;
#if defined(__wasm_simd128__)
    const v128_t all_wanted = wasm_u8x16_splat(wanted);
    for (; len - at >= 16; at += 16) {
        const v128_t equal = wasm_i8x16_eq(wasm_v128_load(bytes + at), all_wanted);
        const uint32_t hits = (uint32_t)wasm_i8x16_bitmask(equal);
        if (hits != 0) {
            return at + (size_t)__builtin_ctz(hits);
        }
    }
#endif
    while (at < len && bytes[at] != wanted) {
        at++;
    }
    return at;
}

/** Emits a text, as a literal for instance. */
static inline void wasmplex_emit_text(const char *text) {
    wasmplex_emit(text, wasmplex_length(text));
}

/** Logs a text at an `enum wasmplex_level`; see `wasmplex_log`. */
static inline void wasmplex_log_text(int32_t level, const char *text) {
    wasmplex_log(level, text, wasmplex_length(text));
}

/** Sets a field of the response head: 0 or -1 as `wasmplex_response_field`. */
static inline int32_t wasmplex_set_field(const char *name, const char *value) {
    return wasmplex_response_field(name, wasmplex_length(name), value, wasmplex_length(value));
}

/** Whether a value was there, and in the buffer. */
enum wasmplex_value {
    WASMPLEX_ABSENT,
    WASMPLEX_FOUND,
    /** There is a value; the buffer is too small for it and its NUL. */
    WASMPLEX_TOO_LONG
};

/* The host's answer for a buffer that keeps a byte for the NUL. */
static inline enum wasmplex_value wasmplex_as_text_(int32_t answer, char *buf, size_t cap,
                                                    size_t *len) {
    const size_t value_len = answer < 0 ? 0 : (size_t)answer;
    if (len) {
        *len = value_len;
    }
    if (value_len >= cap) {
        if (cap > 0) {
            buf[0] = '\0';
        }
        return answer < 0 ? WASMPLEX_ABSENT : WASMPLEX_TOO_LONG;
    }
    buf[value_len] = '\0';
    return answer < 0 ? WASMPLEX_ABSENT : WASMPLEX_FOUND;
}

/** A field of the request head as text in `buf`, which has `cap` bytes, the NUL included. `*len`
    (if `len` is not NULL) is the value's length in bytes, also if it is too long, and 0 if it is
    absent; `buf` is the empty text in both cases. */
static inline enum wasmplex_value wasmplex_get_field(const char *name, char *buf, size_t cap,
                                                     size_t *len) {
    const size_t room = cap > 0 ? cap - 1 : 0;
    return wasmplex_as_text_(wasmplex_request_field(name, wasmplex_length(name), buf, room), buf,
                             cap, len);
}

/** A value of the manifest's `config` as text in `buf`; see `wasmplex_get_field`. */
static inline enum wasmplex_value wasmplex_get_config(const char *key, char *buf, size_t cap,
                                                      size_t *len) {
    const size_t room = cap > 0 ? cap - 1 : 0;
    return wasmplex_as_text_(wasmplex_config(key, wasmplex_length(key), buf, room), buf, cap, len);
}

/** What an entry point returns to refuse: logs the reason as a warning, sets the status (400 to
    599) if the head is not out yet, and is WASMPLEX_REJECTED.
    `return wasmplex_reject(413, "a line is too long");` */
static inline int32_t wasmplex_reject(int32_t status, const char *reason) {
    wasmplex_log_text(WASMPLEX_WARN, reason);
    wasmplex_response_status(status);
    return WASMPLEX_REJECTED;
}

/** Logs the reason as an error, and traps: for what cannot be. Does not return. */
__attribute__((noreturn)) static inline void wasmplex_fail(const char *reason) {
    wasmplex_log_text(WASMPLEX_ERROR, reason);
    __builtin_trap();
}

/*
 * Lines, whatever the chunk borders.
 *
 *     WASMPLEX_LINES(lines, 8192);
 *
 *     WASMPLEX_EXPORT("on_chunk")
 *     int32_t on_chunk(uint8_t *chunk, size_t len) {
 *         uint8_t *line;
 *         int more;
 *         wasmplex_lines_feed(&lines, chunk, len);
 *         while ((more = wasmplex_lines_next(&lines, &line, &len)) == WASMPLEX_LINE) {
 *             ... line[0] to line[len - 1] ...
 *         }
 *         return more == WASMPLEX_LINE_TOO_LONG ? wasmplex_reject(413, "…") : WASMPLEX_GO_ON;
 *     }
 *
 * and in `on_end` once wasmplex_lines_last for a last line without a newline. The same
 * body gives the same lines, and the same "too long", however it is cut. Lines that lie in one
 * chunk are not copied.
 */

/** Cuts a body into lines. Make one with WASMPLEX_LINES; the fields are its own. */
typedef struct wasmplex_lines {
    uint8_t *held;   /* the beginning of a line whose end has not come yet */
    size_t max;      /* size of `held`, and the longest line */
    size_t held_len; /* at most max */
    uint8_t *rest;   /* what of the chunk has not been looked at */
    size_t rest_len; /* 0 between chunks */
    int too_long;    /* there was a line of more than max bytes: nothing more comes */
} wasmplex_lines;

/** Defines a static `wasmplex_lines` of this name for lines of at most `max_len` bytes (1 or more),
    newline not counted, with that much memory. */
#define WASMPLEX_LINES(name, max_len)        \
    static uint8_t name##_held_[max_len];    \
    static wasmplex_lines name = {name##_held_, sizeof name##_held_, 0, (uint8_t *)0, 0, 0}

/** What wasmplex_lines_next and wasmplex_lines_last answer. */
enum wasmplex_line {
    /** A line is longer than the bound. From then on this is the only answer. */
    WASMPLEX_LINE_TOO_LONG = -1,
    /** No whole line is left: feed the next chunk. */
    WASMPLEX_LINE_NONE = 0,
    /** `*line` and `*len` are set. */
    WASMPLEX_LINE = 1
};

/** Gives a chunk, once wasmplex_lines_next has answered WASMPLEX_LINE_NONE to the one before. To
    give it earlier would lose lines, and traps. */
static inline void wasmplex_lines_feed(wasmplex_lines *lines, uint8_t *chunk, size_t len) {
    if (lines->rest_len != 0 && !lines->too_long) {
        wasmplex_fail("wasmplex_lines_feed before all lines of the last chunk were taken");
    }
    lines->rest = chunk;
    lines->rest_len = len;
}

/** The next line that ended in a newline, without it (a carriage return before it is part of the
    line). It may be changed in place, and is good until the next call for these lines, at most
    until the entry point returns. */
static inline enum wasmplex_line wasmplex_lines_next(wasmplex_lines *lines, uint8_t **line,
                                                     size_t *len) {
    const size_t found = wasmplex_find(lines->rest, lines->rest_len, '\n');
    if (lines->too_long || found > lines->max - lines->held_len) {
        lines->too_long = 1;
        return WASMPLEX_LINE_TOO_LONG;
    }
    const int complete = found < lines->rest_len;
    if (complete && lines->held_len == 0) {
        *line = lines->rest;
        *len = found;
    } else {
        if (found > 0) {
            wasmplex_copy(lines->held + lines->held_len, lines->rest, found);
            lines->held_len += found;
        }
        if (!complete) {
            lines->rest_len = 0;
            return WASMPLEX_LINE_NONE;
        }
        *line = lines->held;
        *len = lines->held_len;
        lines->held_len = 0;
    }
    lines->rest += found + 1;
    lines->rest_len -= found + 1;
    return WASMPLEX_LINE;
}

/** In `on_end`: what followed the last newline, if it is not empty. */
static inline enum wasmplex_line wasmplex_lines_last(wasmplex_lines *lines, uint8_t **line,
                                                     size_t *len) {
    if (lines->too_long) {
        return WASMPLEX_LINE_TOO_LONG;
    }
    *line = lines->held;
    *len = lines->held_len;
    lines->held_len = 0;
    return *len > 0 ? WASMPLEX_LINE : WASMPLEX_LINE_NONE;
}

/*
 * The same for C++, where there is a standard library.
 */
#if defined(__cplusplus) && __STDC_HOSTED__ && __has_include(<string_view>)

#include <optional>
#include <string>
#include <string_view>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace wasmplex {

/** As `enum wasmplex_level`. */
enum class level : std::int32_t { trace, debug, info, warn, error };

/** Sends bytes to the client; see wasmplex_emit. */
inline void emit(std::string_view bytes) { wasmplex_emit(bytes.data(), bytes.size()); }

#if __cplusplus >= 202002L
/** Sends bytes to the client; see wasmplex_emit. */
inline void emit(std::span<const std::uint8_t> bytes) {
    wasmplex_emit(bytes.data(), bytes.size());
}
#endif

/** Writes a line to the host's log; see wasmplex_log. */
inline void log(level level, std::string_view line) {
    wasmplex_log(static_cast<std::int32_t>(level), line.data(), line.size());
}

namespace detail {

/** Asks `host` for a value with a small buffer first, then with one of the size it takes. */
template <typename Host>
std::optional<std::string> value_of(Host host, std::string_view name) {
    std::string value(128, '\0');
    for (;;) {
        const std::int32_t len = host(name.data(), name.size(), value.data(), value.size());
        if (len < 0) {
            return std::nullopt;
        }
        const bool fits = static_cast<std::size_t>(len) <= value.size();
        value.resize(static_cast<std::size_t>(len));
        if (fits) {
            return value;
        }
    }
}

} // namespace detail

/** A field of the request head, however long it is; see wasmplex_request_field. */
inline std::optional<std::string> request_field(std::string_view name) {
    return detail::value_of(wasmplex_request_field, name);
}

/** A value of the manifest's `config`, however long it is. */
inline std::optional<std::string> config(std::string_view key) {
    return detail::value_of(wasmplex_config, key);
}

/** Sets the response's status, 200 to 599. Whether the host took it: not once the head is out. */
inline bool response_status(int code) { return wasmplex_response_status(code) == 0; }

/** Sets a field of the response head. Whether the host took it; see wasmplex_response_field. */
inline bool response_field(std::string_view name, std::string_view value) {
    return wasmplex_response_field(name.data(), name.size(), value.data(), value.size()) == 0;
}

/** Cuts a body into lines of at most `Max` bytes, whatever the chunk borders; see wasmplex_lines.
    For a global, as it holds `Max` bytes. */
template <std::size_t Max>
class lines {
  public:
    lines() = default;
    lines(const lines &) = delete;
    lines &operator=(const lines &) = delete;

    /** Calls `each(std::string_view)` for each line that ends in this chunk, without its newline.
        False once a line was longer than `Max`. */
    template <typename Each>
    bool feed(std::uint8_t *chunk, std::size_t len, Each each) {
        wasmplex_lines_feed(&lines_, chunk, len);
        return drain(wasmplex_lines_next, each) != WASMPLEX_LINE_TOO_LONG;
    }

    /** In `on_end`: calls `each` for a last line without a newline, if there is one. */
    template <typename Each>
    bool last(Each each) {
        return drain(wasmplex_lines_last, each) != WASMPLEX_LINE_TOO_LONG;
    }

  private:
    template <typename Take, typename Each>
    wasmplex_line drain(Take take, Each &each) {
        std::uint8_t *line = nullptr;
        std::size_t len = 0;
        wasmplex_line taken;
        while ((taken = take(&lines_, &line, &len)) == WASMPLEX_LINE) {
            each(std::string_view(reinterpret_cast<const char *>(line), len));
        }
        return taken;
    }

    std::uint8_t held_[Max] = {};
    wasmplex_lines lines_ = {held_, Max, 0, nullptr, 0, 0};
};

} // namespace wasmplex

#endif

#endif /* WASMPLEX_H */
