;; plugin-name: each word gets a capital.
;;
;; The host calls chunk_buffer once and then on_chunk for each chunk of the body,
;; while the upload is still open; `emit` sends bytes to the client. Where a chunk
;; begins and ends means nothing: what must last from one to the next is in a global.

(module
  ;; emit(pointer, length) -> 0: waits while the client does not read.
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))

  ;; Two pages of 64 KiB; the second one is the chunk buffer.
  (memory (export "memory") 2 2)

  ;; Whether the byte before this one belongs to a word.
  (global $in_word (mut i32) (i32.const 0))

  (func (export "chunk_buffer") (param $capacity i32) (result i32)
    (i32.const 65536))

  (func (export "on_chunk") (param $pointer i32) (param $length i32) (result i32)
    (local $at i32)
    (local $end i32)
    (local $byte i32)
    (local.set $at (local.get $pointer))
    (local.set $end (i32.add (local.get $pointer) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        ;; A lower case letter that begins a word: bit 5 is what its capital has not.
        (if (i32.and
              (i32.eqz (global.get $in_word))
              (call $is_between (local.get $byte) (i32.const 97) (i32.const 122)))  ;; a to z
          (then (i32.store8 (local.get $at) (i32.xor (local.get $byte) (i32.const 32)))))
        (global.set $in_word (call $is_of_word (local.get $byte)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (drop (call $emit (local.get $pointer) (local.get $length)))
    (i32.const 0))  ;; 0: go on

  ;; Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
  (func $is_of_word (param $byte i32) (result i32)
    (i32.or
      (i32.or
        (call $is_between (i32.or (local.get $byte) (i32.const 32)) (i32.const 97) (i32.const 122))
        (call $is_between (local.get $byte) (i32.const 48) (i32.const 57)))  ;; 0 to 9
      (i32.or
        (i32.eq (local.get $byte) (i32.const 39))  ;; the apostrophe
        (i32.ge_u (local.get $byte) (i32.const 128)))))

  (func $is_between (param $byte i32) (param $first i32) (param $last i32) (result i32)
    (i32.le_u
      (i32.sub (local.get $byte) (local.get $first))
      (i32.sub (local.get $last) (local.get $first)))))
