// plugin-name: each word gets a capital.
//
// The host calls on_chunk for each piece of the body, while the upload is still open.
// Where a piece begins and ends means nothing: what must last from one to the next is
// in a global. Every exchange has an instance of its own.
#include <cstddef>
#include <cstdint>
#include <span>

#include "wasmplex.h"

WASMPLEX_CHUNK_BUFFER();

namespace {

class Title {
public:
    void apply(std::span<std::uint8_t> chunk) {
        for (std::uint8_t &byte : chunk) {
            const std::uint8_t before = byte;
            if (!in_word_ && before >= 'a' && before <= 'z') {
                byte = static_cast<std::uint8_t>(before - 'a' + 'A');
            }
            in_word_ = is_of_word(before);
        }
    }

private:
    // Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
    static constexpr bool is_of_word(std::uint8_t byte) {
        return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
               byte == '\'' || byte >= 0x80;
    }

    // Whether the byte before the next one belongs to a word.
    bool in_word_ = false;
};

Title title;

} // namespace

WASMPLEX_EXPORT("on_chunk")
std::int32_t on_chunk(std::uint8_t *bytes, std::size_t len) {
    const std::span chunk(bytes, len);
    title.apply(chunk);
    wasmplex::emit(chunk);
    return WASMPLEX_GO_ON;
}
