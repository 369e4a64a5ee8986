// plugin-name: each word gets a capital.
//
// An ordinary program: what it reads from standard input is the body, what it writes to
// standard output is the response. `read` gives what has arrived, and waits only while
// there is nothing; `write` is with the client at once. (std::cin waits for a full buffer.)
#include <array>
#include <cstddef>
#include <span>

#include <unistd.h>

namespace {

// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
constexpr bool is_of_word(unsigned char byte) {
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           byte == '\'' || byte >= 0x80;
}

bool write_all(std::span<const unsigned char> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (written <= 0) {
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
}

} // namespace

int main() {
    static std::array<unsigned char, 65536> buffer;
    bool in_word = false;
    ssize_t len = 0;
    while ((len = read(STDIN_FILENO, buffer.data(), buffer.size())) > 0) {
        const std::span piece(buffer.data(), static_cast<std::size_t>(len));
        for (unsigned char &byte : piece) {
            const unsigned char before = byte;
            if (!in_word && before >= 'a' && before <= 'z') {
                byte = static_cast<unsigned char>(before - 'a' + 'A');
            }
            in_word = is_of_word(before);
        }
        if (!write_all(piece)) {
            return 1;
        }
    }
    return len == 0 ? 0 : 1;
}
