/*
 * rot13 in C without a libc: ASCII letters move 13 places along the alphabet, all other
 * bytes stay.
 *
 *     wasmplex build plugins/rot13-c -o plugins/rot13-c.wasm
 *     curl -sN -T . http://127.0.0.1:8080/rot13-c
 */
#include "wasmplex.h"

WASMPLEX_CHUNK_BUFFER();

/* `| 32` folds upper case onto lower case: a letter's place is 0 to 25, and everything else
   comes out larger, as the difference is unsigned. No table and no branch, so that the compiler
   makes vector instructions of the loop below, 16 bytes at a time (-O2 -msimd128). */
static uint8_t rot13(uint8_t byte) {
    const uint8_t place = (uint8_t)((byte | 32) - 'a');
    const uint8_t step = place < 13 ? 13 : (uint8_t)-13;
    return (uint8_t)(byte + (place < 26 ? step : 0));
}

/* There is no state from byte to byte, so it does not matter where the body is cut. */
WASMPLEX_EXPORT("on_chunk")
int32_t on_chunk(uint8_t *chunk, size_t len) {
    for (size_t i = 0; i < len; i++) {
        chunk[i] = rot13(chunk[i]);
    }
    wasmplex_emit(chunk, len);
    return WASMPLEX_GO_ON;
}
