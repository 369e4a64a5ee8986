/*
 * rot13 as a plain C program, a filter like tr: ASCII letters move 13 places along the alphabet,
 * all other bytes stay. It knows nothing of wasmplex. The request body is its standard input,
 * the response its standard output, and what one read has brought is written before the next.
 *
 *     cc -O2 rot13.c && echo hello | ./a.out
 *     wasmplex build plugins/rot13-command-c && curl -sN -T . http://127.0.0.1:8080/rot13-command-c
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static unsigned char buffer[65536];

/* No table and no branch, so that the compiler makes vector instructions of the loop in main.
   `| 32` folds upper case onto lower case; what is no letter comes out above 25. */
static unsigned char rot13(unsigned char byte) {
    const unsigned char place = (unsigned char)((byte | 32) - 'a');
    const unsigned char step = place < 13 ? 13 : (unsigned char)-13;
    return (unsigned char)(byte + (place < 26 ? step : 0));
}

/* A write may take less than it is given. */
static bool write_all(const unsigned char *bytes, size_t len) {
    while (len > 0) {
        const ssize_t written = write(STDOUT_FILENO, bytes, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

int main(void) {
    for (;;) {
        /* What has arrived, not a full buffer: so the answer is there while the client types. */
        const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0;
        }
        for (ssize_t i = 0; i < got; i++) {
            buffer[i] = rot13(buffer[i]);
        }
        if (!write_all(buffer, (size_t)got)) {
            return 1;
        }
    }
}
