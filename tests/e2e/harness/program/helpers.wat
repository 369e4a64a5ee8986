;; What the programs of harness/program.rs are made of. Memory: 0 an iovec and its result, 16 a time,
;; 24 to 40 a number in decimal, 64 subscriptions, 256 events. Where a call is refused that must not
;; be, the program ends: its exit code is the errno.

;; At most so many bytes of stdin into the buffer.
(func $read (param $most i32) (result i32)
  (local $errno i32)
  (i32.store (i32.const 0) (i32.const 65536))
  (i32.store (i32.const 4) (local.get $most))
  (local.set $errno (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
  (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
  (i32.load (i32.const 8)))

;; All of these bytes, in as many writes as it takes.
(func $write (param $descriptor i32) (param $at i32) (param $len i32)
  (local $errno i32)
  (loop $rest
    (if (local.get $len) (then
      (local.set $errno (call $write_some (local.get $descriptor) (local.get $at) (local.get $len)))
      (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $len (i32.sub (local.get $len) (i32.load (i32.const 8))))
      (br $rest)))))

;; One write; how much it took is at 8.
(func $write_some (param $descriptor i32) (param $at i32) (param $len i32) (result i32)
  (i32.store (i32.const 0) (local.get $at))
  (i32.store (i32.const 4) (local.get $len))
  (call $fd_write (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 8)))

;; One read, and all of it to stdout.
(func $answer (param $most i32) (result i32)
  (local $len i32)
  (local.set $len (call $read (local.get $most)))
  (call $write (i32.const 1) (i32.const 65536) (local.get $len))
  (local.get $len))

;; A number without a sign and a newline to stdout.
(func $tell (param $number i32)
  (local $at i32)
  (local.set $at (i32.const 39))
  (i32.store8 (local.get $at) (i32.const 0x0a))
  (loop $digit
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at)
      (i32.add (i32.rem_u (local.get $number) (i32.const 10)) (i32.const 0x30)))
    (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
    (br_if $digit (local.get $number)))
  (call $write (i32.const 1) (local.get $at) (i32.sub (i32.const 40) (local.get $at))))

;; A subscription to a clock (1 is the monotonic one); flag 1 is for an absolute time.
(func $clock_at (param $at i32) (param $clock i32) (param $time i64) (param $flags i32)
  (memory.fill (local.get $at) (i32.const 0) (i32.const 48))
  (i64.store (local.get $at) (i64.const 2)) ;; known by this number, as its bit in $poll
  (i32.store offset=16 (local.get $at) (local.get $clock))
  (i64.store offset=24 (local.get $at) (local.get $time))
  (i32.store16 offset=40 (local.get $at) (local.get $flags)))

;; A subscription to a descriptor: tag 1 to read, 2 to write.
(func $descriptor_at (param $at i32) (param $tag i32) (param $descriptor i32)
  (memory.fill (local.get $at) (i32.const 0) (i32.const 48))
  (i64.store (local.get $at) (i64.const 1))
  (i32.store8 offset=8 (local.get $at) (local.get $tag))
  (i32.store offset=16 (local.get $at) (local.get $descriptor)))

;; Waits for so many subscriptions at 64. Which of them came, one bit for each kind: 1 a descriptor,
;; 2 a clock.
(func $poll (param $count i32) (result i32)
  (local $errno i32) (local $came i32) (local $event i32)
  (local.set $errno
    (call $poll_oneoff (i32.const 64) (i32.const 256) (local.get $count) (i32.const 8)))
  (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
  (if (i32.eqz (i32.load (i32.const 8))) (then unreachable)) ;; it came back with nothing
  (local.set $event (i32.const 256))
  (loop $more
    (local.set $errno (i32.load16_u offset=8 (local.get $event)))
    (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
    (local.set $came (i32.or (local.get $came) (i32.load (local.get $event))))
    (local.set $event (i32.add (local.get $event) (i32.const 32)))
    (i32.store (i32.const 8) (i32.sub (i32.load (i32.const 8)) (i32.const 1)))
    (br_if $more (i32.load (i32.const 8))))
  (local.get $came))

(func $sleep (param $milliseconds i64)
  (call $clock_at (i32.const 64) (i32.const 1)
    (i64.mul (local.get $milliseconds) (i64.const 1000000)) (i32.const 0))
  (drop (call $poll (i32.const 1))))

;; Waits for stdin, so many milliseconds at most: 1 input (or its end), 2 the time is over, 3 both.
(func $input_within (param $milliseconds i64) (result i32)
  (call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 0))
  (call $clock_at (i32.const 112) (i32.const 1)
    (i64.mul (local.get $milliseconds) (i64.const 1000000)) (i32.const 0))
  (call $poll (i32.const 2)))

;; A clock in nanoseconds: 0 is the time of day, 1 is monotonic.
(func $now (param $clock i32) (result i64)
  (drop (call $clock_time_get (local.get $clock) (i64.const 1) (i32.const 16)))
  (i64.load (i32.const 16)))

(func $compute (param $milliseconds i64)
  (local $until i64) (local $count i32)
  (local.set $until (i64.add (call $now (i32.const 1))
    (i64.mul (local.get $milliseconds) (i64.const 1000000))))
  (loop $look_at_the_clock
    (local.set $count (i32.const 100000))
    (loop $compute (br_if $compute
      (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (br_if $look_at_the_clock (i64.lt_u (call $now (i32.const 1)) (local.get $until)))))
