// plugin-name: each word gets a capital.
//
// An ordinary program: what it reads from standard input is the body, what it writes to
// standard output is the response. A read gives what has arrived, and waits only while
// there is nothing; a write is with the client at once.

const buffer = new ArrayBuffer(65536);
const bytes = Uint8Array.wrap(buffer);

// Whether the byte before this one belongs to a word.
let inWord = false;

let length = process.stdin.read(buffer);
while (length > 0) {
  for (let at = 0; at < length; at++) {
    const byte = bytes[at];
    if (!inWord && byte >= 0x61 && byte <= 0x7a) bytes[at] = byte - 0x20;
    inWord = isOfWord(byte);
  }
  process.stdout.write(buffer.slice(0, length));
  length = process.stdin.read(buffer);
}

// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
function isOfWord(byte: u8): bool {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x27 || byte >= 0x80;
}
