/*
 * Uses all of wasmplex.h, as C and as C++, so that check.sh can build it with every warning on.
 * Emits each line of the body with its end marked, so it also shows what a plugin looks like.
 */
#include "wasmplex.h"

WASMPLEX_CHUNK_BUFFER();
WASMPLEX_LINES(lines, 8192);

WASMPLEX_EXPORT("on_open")
int32_t on_open(void) {
    char name[128];
    size_t len;
    if (wasmplex_get_field(":plugin", name, sizeof name, &len) == WASMPLEX_TOO_LONG) {
        wasmplex_fail("a plugin's name has at most 64 bytes");
    }
    if (wasmplex_get_config("greeting", name, sizeof name, NULL) == WASMPLEX_FOUND) {
        wasmplex_emit_text(name);
    }
    wasmplex_log_text(WASMPLEX_DEBUG, name);
    wasmplex_set_timer(0);
    return wasmplex_set_field("content-type", "text/plain") == 0 ? WASMPLEX_HOLD
                                                                : WASMPLEX_REJECTED;
}

WASMPLEX_EXPORT("on_chunk")
int32_t on_chunk(uint8_t *chunk, size_t len) {
    uint8_t *line;
    enum wasmplex_line taken;
    wasmplex_lines_feed(&lines, chunk, len);
    while ((taken = wasmplex_lines_next(&lines, &line, &len)) == WASMPLEX_LINE) {
        wasmplex_emit(line, len);
        wasmplex_emit_text("$\n");
    }
    return taken == WASMPLEX_LINE_TOO_LONG ? wasmplex_reject(413, "a line has more than 8 KiB")
                                           : WASMPLEX_GO_ON;
}

WASMPLEX_EXPORT("on_end")
int32_t on_end(void) {
    uint8_t *line;
    size_t len;
    if (wasmplex_lines_last(&lines, &line, &len) == WASMPLEX_LINE) {
        wasmplex_emit(line, len);
    }
    return WASMPLEX_GO_ON;
}

WASMPLEX_EXPORT("on_timer")
int32_t on_timer(void) { return WASMPLEX_FINISH; }

#if defined(__cplusplus) && __STDC_HOSTED__
bool in_cpp(std::uint8_t *chunk, std::size_t len);
bool in_cpp(std::uint8_t *chunk, std::size_t len) {
    static wasmplex::lines<100> short_lines;
    const auto each = [](std::string_view line) { wasmplex::emit(line); };
#if __cplusplus >= 202002L
    wasmplex::emit(std::span<const std::uint8_t>(chunk, len));
#endif
    wasmplex::log(wasmplex::level::info, wasmplex::request_field("accept").value_or("any"));
    wasmplex::emit(wasmplex::config("greeting").value_or("hello"));
    return wasmplex::response_status(201) && wasmplex::response_field("vary", "accept") &&
           short_lines.feed(chunk, len, each) && short_lines.last(each);
}
#endif
