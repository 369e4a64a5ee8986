;; record: reads the whole request, then answers with one field that says what it was.
;;
;;   x-record: METHOD TARGET LENGTH HASH HOST
;;
;; LENGTH and HASH (FNV-1a, 32 bits) of the body are eight hexadecimal digits each; HOST is "-" where
;; there is none, or an empty one. The answer has no body, so that whoever reads it need not know whether the request
;; was a HEAD. The head is held to the end: a request whose body turns out to be bad is answered 400.
(module
  (import "wasmplex" "request_field" (func $request_field (param i32 i32 i32 i32) (result i32)))
  (import "wasmplex" "response_field" (func $response_field (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 3)
  (data (i32.const 0) ":method:path:queryhostx-recordcontent-length0-")
  ;; The record is made at 65536; chunks come to 131072.
  (global $end (mut i32) (i32.const 65536))
  (global $length (mut i32) (i32.const 0))
  (global $hash (mut i32) (i32.const 0x811c9dc5))

  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 131072))
  (func (export "on_open") (result i32) (i32.const 3))

  (func (export "on_chunk") (param $at i32) (param $len i32) (result i32)
    (local $stop i32)
    (global.set $length (i32.add (global.get $length) (local.get $len)))
    (local.set $stop (i32.add (local.get $at) (local.get $len)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $stop)))
        (global.set $hash
          (i32.mul
            (i32.xor (global.get $hash) (i32.load8_u (local.get $at)))
            (i32.const 0x01000193)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  (func (export "on_end") (result i32)
    (local $before i32)
    (drop (call $ask (i32.const 0) (i32.const 7)))
    (call $put (i32.const 0x20))
    (drop (call $ask (i32.const 7) (i32.const 5)))
    (call $put (i32.const 0x3f)) ;; "?", taken back where there is no query
    (if (i32.eqz (call $ask (i32.const 12) (i32.const 6)))
      (then (global.set $end (i32.sub (global.get $end) (i32.const 1)))))
    (call $put (i32.const 0x20))
    (call $hex (global.get $length))
    (call $put (i32.const 0x20))
    (call $hex (global.get $hash))
    (call $put (i32.const 0x20))
    (local.set $before (global.get $end))
    (drop (call $ask (i32.const 18) (i32.const 4)))
    (if (i32.eq (global.get $end) (local.get $before))
      (then (call $put (i32.const 0x2d))))
    (drop (call $response_field
      (i32.const 30) (i32.const 14) (i32.const 44) (i32.const 1)))
    (call $response_field
      (i32.const 22) (i32.const 8) (i32.const 65536) (i32.sub (global.get $end) (i32.const 65536))))

  ;; Appends the value of a field; whether there is one.
  (func $ask (param $name i32) (param $len i32) (result i32)
    (local $got i32)
    (local.set $got (call $request_field
      (local.get $name) (local.get $len) (global.get $end)
      (i32.sub (i32.const 131072) (global.get $end))))
    (if (i32.lt_s (local.get $got) (i32.const 0)) (then (return (i32.const 0))))
    (global.set $end (i32.add (global.get $end) (local.get $got)))
    (i32.const 1))

  (func $put (param $byte i32)
    (i32.store8 (global.get $end) (local.get $byte))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))

  (func $hex (param $number i32)
    (local $shift i32) (local $digit i32)
    (local.set $shift (i32.const 28))
    (loop $next
      (local.set $digit
        (i32.and (i32.shr_u (local.get $number) (local.get $shift)) (i32.const 15)))
      (call $put (i32.add (local.get $digit)
        (select (i32.const 0x30) (i32.const 0x57) (i32.lt_u (local.get $digit) (i32.const 10)))))
      (local.set $shift (i32.sub (local.get $shift) (i32.const 4)))
      (br_if $next (i32.ge_s (local.get $shift) (i32.const 0))))))
