;; rot13 as a command: a program that reads standard input and writes standard output. What one read has
;; brought is written before the next.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param $fd i32) (param $pieces i32) (param $count i32) (param $done i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $pieces i32) (param $count i32) (param $done i32) (result i32)))

  ;; 0      address and length of what is read or written
  ;; 8      how much of it was
  ;; 65536  the buffer, 64 KiB
  (memory (export "memory") 2 2)

  (func (export "_start")
    (local $len i32)
    (loop $next
      (call $describe (i32.const 65536) (i32.const 65536))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (local.set $len (i32.load (i32.const 8)))
      (if (i32.eqz (local.get $len)) (then (return)))
      (call $rot13 (i32.const 65536) (local.get $len))
      (call $write_all (i32.const 65536) (local.get $len))
      (br $next)))

  (func $describe (param $at i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $len)))

  ;; A write may take less than it is given.
  (func $write_all (param $at i32) (param $len i32)
    (local $written i32)
    (loop $more
      (call $describe (local.get $at) (local.get $len))
      (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (local.set $written (i32.load (i32.const 8)))
      (local.set $at (i32.add (local.get $at) (local.get $written)))
      (local.set $len (i32.sub (local.get $len) (local.get $written)))
      (br_if $more (local.get $len))))

  ;; As in plugins/rot13/rot13.wat, which explains it, but in whole groups of 16 bytes: the buffer has room
  ;; for the last one, and what is behind the last byte does not matter.
  (func $rot13 (param $at i32) (param $len i32)
    (local $end i32)
    (local $bytes v128)
    (local $place v128)
    (local.set $end (i32.add (local.get $at) (local.get $len)))
    (loop $next
      (local.set $bytes (v128.load (local.get $at)))
      (local.set $place
        (i8x16.sub (v128.or (local.get $bytes) (i8x16.splat (i32.const 32))) (i8x16.splat (i32.const 97))))
      (v128.store (local.get $at)
        (i8x16.add (local.get $bytes)
          (v128.and
            (v128.bitselect (i8x16.splat (i32.const 13)) (i8x16.splat (i32.const -13))
              (i8x16.lt_u (local.get $place) (i8x16.splat (i32.const 13))))
            (i8x16.lt_u (local.get $place) (i8x16.splat (i32.const 26))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))))
