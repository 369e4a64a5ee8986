//! Files of WASI preview 1: what [`super::wasi`] passes on to wasmtime's own functions, and what it
//! keeps from them.
//!
//! wasmtime resolves each path below the folder that was granted (`openat2` with
//! `RESOLVE_BENEATH`): neither `..` nor a symbolic link leads out of it. The operations run on
//! tokio's threads for blocking work, on copies of the plugin's bytes: when the exchange ends in the
//! middle of one, that one still runs to its end, touches nothing of the instance, and its result is
//! dropped. So a write that has begun is not undone.
//!
//! Bounds: a plugin is in one call at a time, and a call copies at most as many bytes as one of its
//! pieces has, which is memory of its own that its limit has counted (wasmtime refuses more than 128
//! MiB with `ENOMEM`). The wall time of a call includes its waits here. How many descriptors an
//! instance holds is bounded here, since they are the process's: without a bound one plugin could
//! keep the host from accepting connections.

use wasmtime::{AsContextMut as _, Caller, Linker};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::memory;
use super::state::State;
use super::wasi::{BAD_DESCRIPTOR, MODULE, SUCCESS, Wasi, wasi};

/// The most descriptors of the host that an instance holds, granted folders included. Programs have
/// a handful of files open at a time.
const MAX_OPEN: usize = 64;

/// `errno` values of preview 1.
const TOO_MANY_OPEN: i32 = 33;
const NOT_SUPPORTED: i32 = 58;

/// The parameters of `path_open`.
type PathOpen = (u32, u32, u32, u32, u32, u64, u64, u32, u32);

/// Whether wasmtime never gets to see this descriptor.
pub(super) const fn is_ours(descriptor: u32) -> bool {
    descriptor <= 2
}

/// Defines in `linker` what must be kept from wasmtime's functions of the same names.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap_async(MODULE, "fd_close", |caller, (descriptor,)| {
        Box::new(fd_close(caller, descriptor))
    })?;
    linker.func_wrap_async(MODULE, "fd_renumber", |caller, (from, to)| {
        Box::new(fd_renumber(caller, from, to))
    })?;
    linker
        .func_wrap_async(MODULE, "path_open", |caller, parameters| Box::new(path_open(caller, parameters)))?;
    Ok(())
}

/// Memory and WASI of the instance, side by side; nothing if it can have no files.
fn files<'a>(caller: &'a mut Caller<'_, State>) -> wasmtime::Result<Option<(GuestMemory<'a>, &'a mut Wasi)>> {
    if caller.data().plugin.settings().grants.dirs.is_empty() {
        return Ok(None);
    }
    delegated(caller).map(Some)
}

/// Memory and WASI of the instance, side by side, for one of wasmtime's own functions.
pub(super) fn delegated<'a>(
    caller: &'a mut Caller<'_, State>,
) -> wasmtime::Result<(GuestMemory<'a>, &'a mut Wasi)> {
    let fuel = caller.as_context_mut().hostcall_fuel();
    let (bytes, state) = memory::with_state(caller)?;
    let wasi = wasi(state);
    // As wasmtime's own linking does before each call.
    wasi.context.set_hostcall_fuel(fuel);
    Ok((GuestMemory::Unshared(bytes), wasi))
}

/// `fd_write` of a file.
pub(super) async fn fd_write(
    mut caller: Caller<'_, State>,
    descriptor: u32,
    pieces: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<i32> {
    let Some((mut memory, wasi)) = files(&mut caller)? else {
        return Ok(BAD_DESCRIPTOR);
    };
    let [descriptor, pieces, count, written] = [descriptor, pieces, count, written].map(u32::cast_signed);
    p1::fd_write(&mut wasi.context, &mut memory, descriptor, pieces, count, written).await
}

/// `fd_read` of a file.
pub(super) async fn fd_read(
    mut caller: Caller<'_, State>,
    descriptor: u32,
    pieces: u32,
    count: u32,
    read: u32,
) -> wasmtime::Result<i32> {
    let Some((mut memory, wasi)) = files(&mut caller)? else {
        return Ok(BAD_DESCRIPTOR);
    };
    let [descriptor, pieces, count, read] = [descriptor, pieces, count, read].map(u32::cast_signed);
    p1::fd_read(&mut wasi.context, &mut memory, descriptor, pieces, count, read).await
}

/// `fd_fdstat_get` of a file or folder.
pub(super) async fn fd_fdstat_get(
    mut caller: Caller<'_, State>,
    descriptor: u32,
    stat: u32,
) -> wasmtime::Result<i32> {
    let Some((mut memory, wasi)) = files(&mut caller)? else {
        return Ok(BAD_DESCRIPTOR);
    };
    p1::fd_fdstat_get(&mut wasi.context, &mut memory, descriptor.cast_signed(), stat.cast_signed()).await
}

/// `fd_close(fd) -> errno`. Were 0 to 2 closed in wasmtime's table, the next file would get such a
/// number, and what is written to it would go to the client.
async fn fd_close(mut caller: Caller<'_, State>, descriptor: u32) -> wasmtime::Result<i32> {
    if is_ours(descriptor) {
        let is_good = caller.data().stdin.as_ref().is_none_or(|stdin| stdin.close(descriptor));
        return Ok(if is_good { SUCCESS } else { BAD_DESCRIPTOR });
    }
    let Some((mut memory, wasi)) = files(&mut caller)? else {
        return Ok(BAD_DESCRIPTOR);
    };
    let error = p1::fd_close(&mut wasi.context, &mut memory, descriptor.cast_signed()).await?;
    if error == SUCCESS {
        wasi.open = wasi.open.saturating_sub(1);
    }
    Ok(error)
}

/// `fd_renumber(from, to) -> errno`: closes `to`, which `from` becomes. See [`fd_close`].
async fn fd_renumber(mut caller: Caller<'_, State>, from: u32, to: u32) -> wasmtime::Result<i32> {
    if is_ours(from) || is_ours(to) {
        return Ok(NOT_SUPPORTED);
    }
    let Some((mut memory, wasi)) = files(&mut caller)? else {
        return Ok(BAD_DESCRIPTOR);
    };
    let error = p1::fd_renumber(&mut wasi.context, &mut memory, from.cast_signed(), to.cast_signed()).await?;
    if error == SUCCESS && from != to {
        wasi.open = wasi.open.saturating_sub(1);
    }
    Ok(error)
}

/// `path_open(…) -> errno`.
async fn path_open(mut caller: Caller<'_, State>, parameters: PathOpen) -> wasmtime::Result<i32> {
    let Some((mut memory, wasi)) = files(&mut caller)? else {
        return Ok(BAD_DESCRIPTOR);
    };
    if wasi.open >= MAX_OPEN {
        return Ok(TOO_MANY_OPEN);
    }
    let (folder, lookup, path, length, how, rights, inheriting, flags, opened) = parameters;
    let error = p1::path_open(
        &mut wasi.context,
        &mut memory,
        folder.cast_signed(),
        lookup.cast_signed(),
        path.cast_signed(),
        length.cast_signed(),
        how.cast_signed(),
        rights.cast_signed(),
        inheriting.cast_signed(),
        flags.cast_signed(),
        opened.cast_signed(),
    )
    .await?;
    if error == SUCCESS {
        wasi.open += 1;
    }
    Ok(error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::grants::{DirGrant, Grants};
    use super::super::testing::{Place, open};
    use super::super::{CallError, Failure};
    use super::MAX_OPEN;

    /// What the plugin emits when `on_open` has this body. `$say` emits a byte; `$open` follows
    /// symbolic links and leaves the descriptor at 512; `$write` writes what is at 1024; `paths` lie
    /// at 2048, 64 bytes apart.
    fn run(grants: Grants, paths: &[&str], body: &str) -> Result<Vec<u8>, CallError> {
        let data = paths.iter().enumerate().map(|(index, path)| {
            format!("(data (i32.const {}) \"{}\")", 2_048 + 64 * index, path.escape_default())
        });
        let text = include_str!("wasi_files_test.wat")
            .replace(";; DATA", &data.collect::<String>())
            .replace(";; BODY", body);
        open(&text, grants)
    }

    fn granted(place: &Place, write: bool) -> Grants {
        let folder = place.0.join("granted");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(folder.join("inside"), b"inside").unwrap();
        fs::write(place.0.join("secret"), b"secret").unwrap();
        Grants { dirs: vec![grant(folder, write)], ..Grants::default() }
    }

    fn grant(host: PathBuf, write: bool) -> DirGrant {
        DirGrant { host, guest: "/data".to_owned(), write }
    }

    /// `$say` of `$open` for each of `paths`.
    fn open_each(paths: &[&str], how: u32, rights: u32) -> String {
        let open = |(index, path): (usize, &&str)| {
            let place = 2_048 + 64 * index;
            let length = path.len();
            format!(
                "(call $say (call $open (i32.const {place}) (i32.const {length}) (i32.const {how}) \
                 (i64.const {rights})))"
            )
        };
        paths.iter().enumerate().map(open).collect()
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let place = Place::new();
        let grants = granted(&place, true);
        let folder = &grants.dirs[0].host;
        let secret = place.0.join("secret");
        symlink("../secret", folder.join("up")).unwrap();
        symlink(&secret, folder.join("absolute")).unwrap();
        symlink("..", folder.join("parent")).unwrap();
        symlink("up", folder.join("twice")).unwrap();
        symlink("../inside", folder.join("sub/good")).unwrap();
        let good = ["inside", "sub/good", "sub/../inside", "."];
        let absolute = secret.to_str().unwrap();
        let bad = [
            "../secret",
            absolute,
            "sub/../../secret",
            "up",
            "absolute",
            "parent/secret",
            "twice",
            "..",
            "parent",
            "/",
            "sub/../..",
        ];
        let opened = run(grants.clone(), &good, &open_each(&good, 0, 2)).unwrap();
        assert_eq!(opened, [0; 4]);
        for (how, rights) in [(0, 2), (1, 2 | 64), (8, 64)] {
            let refused = run(grants.clone(), &bad, &open_each(&bad, how, rights)).unwrap();
            assert!(refused.len() == bad.len() && !refused.contains(&0), "{refused:?}");
        }
        assert_eq!(fs::read(secret).unwrap(), b"secret");
    }

    #[test]
    fn read_only_means_nothing_changes() {
        let place = Place::new();
        let grants = granted(&place, false);
        let folder = grants.dirs[0].host.clone();
        let paths = ["inside", "new"];
        let body = [
            open_each(&["inside"], 8, 2),        // truncate
            open_each(&["inside"], 0, 64),       // write
            open_each(&["inside", "new"], 1, 2), // create
            "(call $say (call $path_unlink_file (i32.const 3) (i32.const 2048) (i32.const 6)))
             (call $say (call $path_create_directory (i32.const 3) (i32.const 2112) (i32.const 3)))
             (call $say (call $path_rename (i32.const 3) (i32.const 2048) (i32.const 6)
               (i32.const 3) (i32.const 2112) (i32.const 3)))
             (call $say (call $path_symlink (i32.const 2048) (i32.const 6) (i32.const 3)
               (i32.const 2112) (i32.const 3)))"
                .to_owned(),
            "(drop (call $open (i32.const 2048) (i32.const 6) (i32.const 0) (i64.const 2)))
             (call $say (call $write (i32.load (i32.const 512)) (i32.const 5)))
             (call $say (call $fd_pwrite (i32.load (i32.const 512)) (i32.const 520) (i32.const 1)
               (i64.const 0) (i32.const 528)))
             (call $say (call $fd_filestat_set_size (i32.load (i32.const 512)) (i64.const 0)))"
                .to_owned(),
        ];
        let refused = run(grants, &paths, &body.concat()).unwrap();
        assert!(refused.len() == 11 && !refused.contains(&0), "{refused:?}");
        assert_eq!(fs::read(folder.join("inside")).unwrap(), b"inside");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let place = Place::new();
        let grants = granted(&place, true);
        let folder = grants.dirs[0].host.clone();
        let body = "
            (call $say (call $open (i32.const 2048) (i32.const 3) (i32.const 1) (i64.const 66)))
            (call $say (call $write (i32.load (i32.const 512)) (i32.const 5)))
            (call $say (i32.load (i32.const 528)))
            (call $say (call $fd_close (i32.load (i32.const 512))))
            (call $say (call $open (i32.const 2048) (i32.const 3) (i32.const 0) (i64.const 2)))
            (i32.store (i32.const 520) (i32.const 4096))
            (i32.store (i32.const 524) (i32.const 100))
            (call $say (call $fd_read (i32.load (i32.const 512)) (i32.const 520) (i32.const 1) (i32.const 528)))
            (drop (call $emit (i32.const 4096) (i32.load (i32.const 528))))
            (call $say (call $fd_fdstat_get (i32.load (i32.const 512)) (i32.const 600)))
            (call $say (i32.load8_u (i32.const 600)))";
        assert_eq!(run(grants, &["new"], body).unwrap(), b"\0\0\x05\0\0\0hello\0\x04");
        assert_eq!(fs::read(folder.join("new")).unwrap(), b"hello");
    }

    #[test]
    fn the_standard_descriptors_stay() {
        let place = Place::new();
        let body = "
            (call $say (call $fd_close (i32.const 0)))
            (call $say (call $fd_close (i32.const 1)))
            (call $say (call $fd_close (i32.const 2)))
            (call $say (call $open (i32.const 2048) (i32.const 6) (i32.const 0) (i64.const 2)))
            (call $say (i32.load (i32.const 512)))
            (call $say (call $fd_renumber (i32.const 4) (i32.const 1)))
            (call $say (call $fd_renumber (i32.const 1) (i32.const 4)))
            (drop (call $write (i32.const 1) (i32.const 5)))
            (call $say (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 528)))
            (call $say (call $fd_pwrite (i32.const 1) (i32.const 520) (i32.const 1) (i64.const 0) (i32.const 528)))
            (call $say (call $fd_pread (i32.const 0) (i32.const 520) (i32.const 1) (i64.const 0) (i32.const 528)))
            ;; Is there something on 0, and room on 1? Both at once.
            (i32.store8 (i32.const 3008) (i32.const 1)) (i32.store (i32.const 3016) (i32.const 0))
            (i32.store8 (i32.const 3056) (i32.const 2)) (i32.store (i32.const 3064) (i32.const 1))
            (call $say (call $poll_oneoff (i32.const 3000) (i32.const 3200) (i32.const 2) (i32.const 528)))
            (call $say (i32.load (i32.const 528)))";
        let said = run(granted(&place, true), &["inside"], body).unwrap();
        assert_eq!(said, b"\0\0\0\0\x04\x3a\x3ahello\x46\x46\x46\0\x02");
    }

    #[test]
    fn open_descriptors_are_bounded() {
        let place = Place::new();
        let open = "(call $open (i32.const 2048) (i32.const 6) (i32.const 0) (i64.const 2))";
        let body = format!(
            "(loop $more
               (local.set $error {open})
               (if (i32.eqz (local.get $error)) (then
                 (local.set $count (i32.add (local.get $count) (i32.const 1)))
                 (br $more))))
             (call $say (local.get $count))
             (call $say (local.get $error))
             (call $say (call $fd_close (i32.load (i32.const 512))))
             (call $say (call $fd_close (i32.load (i32.const 512))))
             (call $say {open})
             (call $say {open})
             (call $say (call $fd_renumber (i32.load (i32.const 512)) (i32.const 5)))
             (call $say {open})
             (call $say {open})"
        );
        let said = run(granted(&place, true), &["inside"], &body).unwrap();
        assert_eq!(said, [MAX_OPEN as u8 - 1, 33, 0, 8, 0, 33, 0, 0, 33]);
    }

    #[test]
    fn a_folder_that_is_missing_is_not_seen() {
        let place = Place::new();
        let mut grants = granted(&place, true);
        grants.dirs.insert(0, grant(place.0.join("missing"), true));
        let body = "
            (call $say (call $fd_prestat_get (i32.const 3) (i32.const 600)))
            (call $say (call $fd_prestat_get (i32.const 4) (i32.const 600)))
            (call $say (call $open (i32.const 2048) (i32.const 6) (i32.const 0) (i64.const 2)))";
        assert_eq!(run(grants, &["inside"], body).unwrap(), [0, 8, 0]);
    }

    #[test]
    fn without_folders_no_other_descriptor_is_good() {
        let body = "
            (call $say (call $open (i32.const 2048) (i32.const 6) (i32.const 0) (i64.const 2)))
            (call $say (call $write (i32.const 3) (i32.const 5)))
            (call $say (call $fd_read (i32.const 3) (i32.const 520) (i32.const 1) (i32.const 528)))
            (call $say (call $fd_fdstat_get (i32.const 3) (i32.const 600)))
            (call $say (call $fd_close (i32.const 3)))
            (call $say (call $fd_renumber (i32.const 3) (i32.const 4)))
            (call $say (call $fd_prestat_get (i32.const 3) (i32.const 600)))";
        assert_eq!(run(Grants::default(), &["inside"], body).unwrap(), [8; 7]);
    }

    #[test]
    fn the_environment_is_what_is_granted() {
        let env = vec![("NAME".to_owned(), "a value".to_owned()), ("EMPTY".to_owned(), String::new())];
        let body = "
            (call $say (call $environ_sizes_get (i32.const 512) (i32.const 516)))
            (call $say (i32.load (i32.const 512)))
            (drop (call $environ_get (i32.const 3000) (i32.const 4096)))
            (drop (call $emit (i32.load (i32.const 3000)) (i32.load (i32.const 516))))";
        let said = run(Grants { env, ..Grants::default() }, &[], body).unwrap();
        assert_eq!(said, b"\0\x02NAME=a value\0EMPTY=\0");
        assert_eq!(run(Grants::default(), &[], body).unwrap(), b"\0\0");
    }

    #[test]
    fn an_operation_that_hangs_ends_with_its_call() {
        let place = Place::new();
        let grants = granted(&place, true);
        let pipe = grants.dirs[0].host.join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        let body = "(call $say (call $open (i32.const 2048) (i32.const 4) (i32.const 0) (i64.const 2)))";
        let outcome = run(grants, &["pipe"], body);
        assert!(matches!(outcome, Err(CallError::Failed(Failure::Deadline(_)))), "{outcome:?}");
        // The thread that waits for a writer is still there; it gets one.
        drop(fs::File::options().read(true).write(true).open(&pipe).unwrap());
    }
}
