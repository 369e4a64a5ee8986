// plugin-name: each word gets a capital.
//
// An ordinary program: what it reads from standard input is the body, what it writes to
// standard output is the response. `read` gives what has arrived, and waits only while
// there is nothing; `write` is with the client at once.
#include <stdbool.h>
#include <unistd.h>

// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
static bool is_of_word(unsigned char byte) {
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           byte == '\'' || byte >= 0x80;
}

static bool write_all(const unsigned char *bytes, size_t len) {
    while (len > 0) {
        const ssize_t written = write(STDOUT_FILENO, bytes, len);
        if (written <= 0) {
            return false;
        }
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

int main(void) {
    static unsigned char bytes[65536];
    bool in_word = false;
    ssize_t len;
    while ((len = read(STDIN_FILENO, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0; at < len; at++) {
            const unsigned char byte = bytes[at];
            if (!in_word && byte >= 'a' && byte <= 'z') {
                bytes[at] = byte - 'a' + 'A';
            }
            in_word = is_of_word(byte);
        }
        if (!write_all(bytes, (size_t)len)) {
            return 1;
        }
    }
    return len == 0 ? 0 : 1;
}
