;; rot13 as a component of world `filter`, as a tool would make it, only by hand.
(component
  (import "wasmplex:plugin/output@1.0.0" (instance $output
    (export "emit" (func (param "bytes" (list u8))))))

  (core module $memory
    (memory (export "memory") 2 2)
    ;; One chunk lives at a time and has at most 65,536 bytes: the same place serves them all.
    (func (export "cabi_realloc")
      (param $old i32) (param $old_len i32) (param $align i32) (param $len i32) (result i32)
      (if (i32.gt_u (local.get $len) (i32.const 65536)) (then unreachable))
      (i32.const 65536)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "cabi_realloc" (core func $realloc))

  (core func $emit (canon lower (func $output "emit") (memory $mem)))

  (core module $code
    (import "memory" "memory" (memory 2))
    (import "host" "emit" (func $emit (param $at i32) (param $len i32)))

    (func (export "on-chunk") (param $at i32) (param $len i32)
      (call $rot13 (local.get $at) (local.get $len))
      (call $emit (local.get $at) (local.get $len)))

    ;; As in command.wat.
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
  (core instance $code (instantiate $code
    (with "memory" (instance $memory))
    (with "host" (instance (export "emit" (func $emit))))))

  (func (export "on-chunk") (param "chunk" (list u8))
    (canon lift (core func $code "on-chunk") (memory $mem) (realloc $realloc))))
