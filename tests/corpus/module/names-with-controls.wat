(module (import "\1b[31m\n2026 INFO" "a\r\nb" (func)) (memory (export "memory") 2)
  (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param i32 i32) (result i32) (i32.const 0)))
