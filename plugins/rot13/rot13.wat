;; rot13: every ASCII letter moves 13 places along the alphabet, all else stays.
;;
;; This is the smallest real wasmplex plugin (ABI version 1). The host does, for
;; each exchange, on a fresh instance that no other exchange can see:
;;
;;   chunk_buffer(65536)   once: "where may I put the chunks of the body?"
;;   on_chunk(ptr, len)    for each chunk, while the upload is still open
;;
;; and we call `emit` with the bytes that the client is to get. Where a chunk
;; begins and ends means nothing, so a plugin must not depend on it. rot13 has no
;; state from one byte to the next: any cut of the body gives the same answer.

(module
  ;; emit(ptr, len) -> 0: sends bytes to the client; waits while it does not read.
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))

  ;; Two pages of 64 KiB. The second one is the chunk buffer. The first one is
  ;; never touched: a buffer at address 0 would read as "refused".
  (memory (export "memory") 2 2)
  (global $buffer i32 (i32.const 65536))
  (global $buffer_size i32 (i32.const 65536))

  ;; chunk_buffer(cap) -> address of a region of at least cap bytes, 0 = refused.
  ;; It must not move, and we may change the chunk in it.
  (func (export "chunk_buffer") (param $cap i32) (result i32)
    (select
      (global.get $buffer)
      (i32.const 0)
      (i32.le_u (local.get $cap) (global.get $buffer_size))))

  ;; on_chunk(ptr, len) -> 0: go on. (1 would finish the response, 2 would pass
  ;; the rest of the body through unchanged, below 0 would reject the chunk.)
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (local $at i32)           ;; the next byte to change
    (local $end i32)          ;; one past the last byte of the chunk
    (local $vectors_end i32)  ;; one past the last whole group of 64 bytes
    (local $bytes v128)       ;; sixteen bytes of the chunk
    (local $place v128)       ;; their places in the alphabet, -128 to -103 for letters
    (local $case v128)        ;; the same in all lanes, here and below: see there
    (local $shift v128)
    (local $after_m v128)
    (local $after_z v128)
    (local $back v128)
    (local $turn v128)

    (local.set $at (local.get $ptr))
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (local.set $vectors_end
      (i32.add (local.get $ptr) (i32.and (local.get $len) (i32.const -64))))

    ;; Sixteen bytes at a time, the idea of $rot13_byte below without a branch. A
    ;; letter's place, 0 to 25, is shifted down by 128, so that one signed compare
    ;; throws out everything else. A compare fills each of the 16 lanes with ones
    ;; (true) or zeros (false), and these masks do the choosing:
    ;;
    ;;   step = -13, and for a to m with some bits turned: 13
    ;;   byte + (step if it is a letter, or else 0)
    ;;
    ;; Four times in each turn of the loop: at every turn wasm code asks whether its
    ;; time is over, which takes as long as a vector. (A compiler does this by itself.)
    (local.set $case (i8x16.splat (i32.const 32)))        ;; upper case onto lower case
    (local.set $shift (i8x16.splat (i32.const 31)))       ;; -'a' - 128
    (local.set $after_m (i8x16.splat (i32.const -115)))   ;; 13 - 128
    (local.set $after_z (i8x16.splat (i32.const -102)))   ;; 26 - 128
    (local.set $back (i8x16.splat (i32.const -13)))
    (local.set $turn (i8x16.splat (i32.const -2)))        ;; -13 xor 13
    (block $vectors_done
      (loop $next_vectors
        (br_if $vectors_done (i32.ge_u (local.get $at) (local.get $vectors_end)))

        (local.set $bytes (v128.load (local.get $at)))
        (local.set $place (i8x16.add (v128.or (local.get $bytes) (local.get $case)) (local.get $shift)))
        (v128.store (local.get $at)
          (i8x16.add (local.get $bytes)
            (v128.and (i8x16.lt_s (local.get $place) (local.get $after_z))
              (v128.xor (local.get $back)
                (v128.and (i8x16.lt_s (local.get $place) (local.get $after_m)) (local.get $turn))))))

        (local.set $bytes (v128.load offset=16 (local.get $at)))
        (local.set $place (i8x16.add (v128.or (local.get $bytes) (local.get $case)) (local.get $shift)))
        (v128.store offset=16 (local.get $at)
          (i8x16.add (local.get $bytes)
            (v128.and (i8x16.lt_s (local.get $place) (local.get $after_z))
              (v128.xor (local.get $back)
                (v128.and (i8x16.lt_s (local.get $place) (local.get $after_m)) (local.get $turn))))))

        (local.set $bytes (v128.load offset=32 (local.get $at)))
        (local.set $place (i8x16.add (v128.or (local.get $bytes) (local.get $case)) (local.get $shift)))
        (v128.store offset=32 (local.get $at)
          (i8x16.add (local.get $bytes)
            (v128.and (i8x16.lt_s (local.get $place) (local.get $after_z))
              (v128.xor (local.get $back)
                (v128.and (i8x16.lt_s (local.get $place) (local.get $after_m)) (local.get $turn))))))

        (local.set $bytes (v128.load offset=48 (local.get $at)))
        (local.set $place (i8x16.add (v128.or (local.get $bytes) (local.get $case)) (local.get $shift)))
        (v128.store offset=48 (local.get $at)
          (i8x16.add (local.get $bytes)
            (v128.and (i8x16.lt_s (local.get $place) (local.get $after_z))
              (v128.xor (local.get $back)
                (v128.and (i8x16.lt_s (local.get $place) (local.get $after_m)) (local.get $turn))))))

        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $next_vectors)))

    ;; The 0 to 63 bytes that are left.
    (block $bytes_done
      (loop $next_byte
        (br_if $bytes_done (i32.ge_u (local.get $at) (local.get $end)))
        (i32.store8 (local.get $at)
          (call $rot13_byte (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next_byte)))

    ;; One emit for the whole chunk, straight from the buffer.
    (drop (call $emit (local.get $ptr) (local.get $len)))
    (i32.const 0))

  ;; One byte. `| 32` folds upper case onto lower case, then a letter's place in
  ;; the alphabet is 0 to 25; the unsigned compare throws everything else out.
  (func $rot13_byte (param $byte i32) (result i32)
    (local $place i32)
    (local.set $place
      (i32.sub (i32.or (local.get $byte) (i32.const 32)) (i32.const 97)))  ;; 'a'
    (if (i32.ge_u (local.get $place) (i32.const 26))
      (then (return (local.get $byte))))
    (i32.add (local.get $byte)
      (select (i32.const 13) (i32.const -13)
        (i32.lt_u (local.get $place) (i32.const 13))))))
