// plugin-name: each word gets a capital.
//
// The host calls on_chunk for each piece of the body, while the upload is still open.
// Where a piece begins and ends means nothing: what must last from one to the next is
// in a static variable. Every exchange has an instance of its own.
#include <stdbool.h>

#include "wasmplex.h"

WASMPLEX_CHUNK_BUFFER();

// Whether the byte before this one belongs to a word.
static bool in_word;

// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
static bool is_of_word(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           byte == '\'' || byte >= 0x80;
}

WASMPLEX_EXPORT("on_chunk")
int32_t on_chunk(uint8_t *chunk, size_t len) {
    for (size_t at = 0; at < len; at++) {
        const uint8_t byte = chunk[at];
        if (!in_word && byte >= 'a' && byte <= 'z') {
            chunk[at] = byte - 'a' + 'A';
        }
        in_word = is_of_word(byte);
    }
    wasmplex_emit(chunk, len);
    return WASMPLEX_GO_ON;
}
