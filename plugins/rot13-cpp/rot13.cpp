// rot13 in C++: ASCII letters move 13 places along the alphabet, all other bytes stay. At the
// end of the body it logs how much it did, which shows where state lives and what can go wrong
// with it.
//
//     wasmplex build plugins/rot13-cpp -o plugins/rot13-cpp.wasm
//     curl -sN -T . http://127.0.0.1:8080/rot13-cpp
#include <chrono>
#include <span>
#include <string>

#include "wasmplex.h"

WASMPLEX_CHUNK_BUFFER();

namespace {

using Clock = std::chrono::steady_clock;

// The state of one exchange. Every exchange has a fresh instance of this module, so a global is
// all it takes.
//
// Its constructor runs once, in `_initialize`, which is there because `wasmplex build` links with
// -mexec-model=reactor. The trap: linked with `-nostartfiles -Wl,--no-entry` instead, which is
// what one finds when the linker asks for `main`, every export is wrapped in a program of its
// own, with all constructors before the call and all destructors after it. Nothing warns, and this
// logs "0 bytes in 0 chunks". (With a std::string as a global the first call ends in a trap.)
//
// As a reactor, destructors never run: what is to be done last belongs in `on_end`.
struct Tally {
    Clock::time_point begun = Clock::now();
    std::size_t bytes = 0;
    std::size_t chunks = 0;

    [[nodiscard]] std::string text() const {
        using std::chrono::milliseconds;
        const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
        return std::to_string(bytes) + " bytes in " + std::to_string(chunks) + " chunks and " +
               std::to_string(took.count()) + " ms";
    }
};

Tally tally;

// No table and no branch, so that the compiler makes vector instructions of the loop, 16 bytes
// at a time. `| 32` folds upper case onto lower case; what is no letter comes out above 25.
constexpr std::uint8_t rot13(std::uint8_t byte) {
    const auto place = static_cast<std::uint8_t>((byte | 32) - 'a');
    const int step = place < 13 ? 13 : -13;
    return static_cast<std::uint8_t>(byte + (place < 26 ? step : 0));
}

static_assert(rot13('A') == 'N' && rot13('z') == 'm' && rot13('@') == '@' && rot13(0xE1) == 0xE1);

} // namespace

WASMPLEX_EXPORT("on_chunk")
std::int32_t on_chunk(std::uint8_t *bytes, std::size_t len) {
    const std::span chunk(bytes, len);
    for (std::uint8_t &byte : chunk) {
        byte = rot13(byte);
    }
    wasmplex::emit(chunk);
    tally.bytes += chunk.size();
    tally.chunks += 1;
    return WASMPLEX_GO_ON;
}

WASMPLEX_EXPORT("on_end")
std::int32_t on_end() {
    wasmplex::log(wasmplex::level::debug, tally.text());
    return WASMPLEX_GO_ON;
}
