//! Memory for compiled code: one range of host memory, mapped twice. Code runs from one mapping, which nobody can write, and
//! is written through the other, which nobody can execute (W^X).
//!
//! A process that forks has no code memory in the child, which must exec before it runs a machine.
//!
//! It is handed out in slabs. A slab belongs to a [`CodePage`](crate::shared::CodePage) and comes back when the page is
//! dropped, which nobody who could execute in it lets happen: see [`super`].

use super::counters::COUNTERS;
use nix::sys::{
    memfd::{MFdFlags, memfd_create},
    mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap},
    resource::{Resource, getrlimit},
};
use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering},
    },
};

/// The whole range: direct jumps reach all of it.
const SIZE: usize = 64 << 20;
/// What a page gets at a time.
pub const SLAB: usize = 8 << 10;

/// Both mappings of the code memory, and which of its slabs are free.
pub struct CodeMemory {
    run: *mut u8,
    write: *mut u8,
    free: Mutex<Free>,
    /// Grows when all slabs are taken: every CPU then lets go of the pages it holds when it runs next.
    pressure: AtomicU64,
    full: AtomicBool,
    limit: AtomicUsize,
}

#[derive(Default)]
struct Free {
    slabs: Vec<u32>,
    /// Slabs from here on were never used.
    fresh: usize,
}

// SAFETY: both pointers are to mappings that live as long as the process; `write` is only written as `put` and `patch`
// tell, into slabs that belong to the caller or in aligned words that are one atomic store.
unsafe impl Send for CodeMemory {}
// SAFETY: as above.
unsafe impl Sync for CodeMemory {}

/// The one code memory of this process, or why there is none.
pub fn get() -> Result<&'static CodeMemory, &'static str> {
    static MEMORY: OnceLock<Result<CodeMemory, String>> = OnceLock::new();
    MEMORY.get_or_init(CodeMemory::new).as_ref().map_err(String::as_str)
}

impl CodeMemory {
    fn new() -> Result<CodeMemory, String> {
        let no = |what: &str, e: nix::Error| format!("{what} for compiled code: {e}");
        // To make the file longer than the limit would end the process with SIGXFSZ.
        let (most, _) = getrlimit(Resource::RLIMIT_FSIZE).map_err(|e| no("no memory", e))?;
        if most < SIZE as u64 {
            return Err(format!(
                "no memory for compiled code: the limit on file sizes (ulimit -f) is {most} bytes"
            ));
        }
        let file = memfd_create(c"flotilla-code", MFdFlags::MFD_CLOEXEC).map_err(|e| no("no memory", e))?;
        nix::unistd::ftruncate(&file, SIZE as i64).map_err(|e| no("no memory", e))?;
        let Some(size) = NonZeroUsize::new(SIZE) else { unreachable!("a constant") };
        let map = |prot| {
            // SAFETY: a new mapping at an address of the kernel's choice; nothing else lies there.
            let at = unsafe { mmap(None, size, prot, MapFlags::MAP_SHARED, &file, 0) }?;
            // A process that forks and does not exec would write into its parent's code. It does not get the mapping.
            // SAFETY: the whole of the mapping that was just made; its contents stay.
            unsafe { madvise(at, SIZE, MmapAdvise::MADV_DONTFORK) }?;
            Ok(at)
        };
        let run = map(ProtFlags::PROT_READ | ProtFlags::PROT_EXEC)
            .map_err(|e| no("the system forbids executable memory", e))?;
        let write = map(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).map_err(|e| no("no memory", e))?;
        Ok(CodeMemory {
            run: run.as_ptr().cast(),
            write: write.as_ptr().cast(),
            free: Mutex::default(),
            pressure: AtomicU64::new(0),
            full: AtomicBool::new(false),
            limit: AtomicUsize::new(SIZE / SLAB),
        })
    }

    /// Where the code at an offset runs.
    pub fn address(&self, offset: u32) -> *const u8 {
        self.run.wrapping_add(offset as usize)
    }

    /// A slab, by its offset. `None`: all are taken.
    pub fn take(&self) -> Option<u32> {
        let mut free = self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let used = free.fresh - free.slabs.len();
        if used < self.limit.load(Ordering::Relaxed) {
            COUNTERS.slabs.fetch_add(1, Ordering::Relaxed);
            if let Some(slab) = free.slabs.pop() {
                return Some(slab);
            }
            if free.fresh < SIZE / SLAB {
                free.fresh += 1;
                return Some(((free.fresh - 1) * SLAB) as u32);
            }
        }
        if !self.full.swap(true, Ordering::Relaxed) {
            self.pressure.fetch_add(1, Ordering::Relaxed);
        }
        None
    }

    /// Gives slabs back in which nobody executes any more.
    pub fn give_back(&self, slabs: &[u32]) {
        if slabs.is_empty() {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        free.slabs.extend_from_slice(slabs);
        COUNTERS.slabs.fetch_sub(slabs.len() as u64, Ordering::Relaxed);
        self.full.store(false, Ordering::Relaxed);
    }

    /// All slabs are taken, until some come back.
    pub fn full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Changes when all CPUs should let go of their pages.
    pub fn pressure(&self) -> u64 {
        self.pressure.load(Ordering::Relaxed)
    }

    /// No more than this many slabs from now on, for tests of what happens then. Returns the former limit.
    pub fn set_limit(&self, slabs: usize) -> usize {
        self.limit.swap(slabs.min(SIZE / SLAB), Ordering::Relaxed)
    }

    /// Writes code into the caller's slab.
    pub fn put(&self, offset: u32, code: &[u8]) {
        assert!(offset as usize + code.len() <= SIZE, "code outside its memory");
        // SAFETY: inside the mapping, by the assertion. The caller owns the slab and nobody executes there yet: no entry
        // and no jump leads to it.
        unsafe {
            std::ptr::copy_nonoverlapping(code.as_ptr(), self.write.add(offset as usize), code.len());
        }
    }

    /// The aligned 4-byte word at an offset, which may be patched.
    pub fn word(&self, offset: u32) -> i32 {
        self.atomic(offset).load(Ordering::Acquire)
    }

    /// The 4 bytes at an offset in code that never changes.
    pub fn constant(&self, offset: u32) -> u32 {
        assert!(offset as usize + 4 <= SIZE, "a word outside the code");
        // SAFETY: inside the mapping, by the assertion; any bytes are a `u32`.
        unsafe { self.run.add(offset as usize).cast::<u32>().read_unaligned() }
    }

    /// Changes the aligned 4-byte word at an offset within code that others may be executing: x86 fetches such a word
    /// whole, the old or the new one.
    pub fn patch(&self, offset: u32, word: i32) {
        self.atomic(offset).store(word, Ordering::Release);
    }

    fn atomic(&self, offset: u32) -> &AtomicI32 {
        assert!(offset.is_multiple_of(4) && (offset as usize) < SIZE, "a word outside the code");
        // SAFETY: inside the mapping and aligned, by the assertion; words that are patched are only ever accessed so.
        unsafe { AtomicI32::from_ptr(self.write.add(offset as usize).cast()) }
    }
}
