//! Semihosting: a guest asks its debugger for a console, the time, or an end.
//!
//! "Semihosting for AArch32 and AArch64" (Arm IHI 0102 / 100863), sections 5 (operations) and 6 (extensions).
//! Sans-IO: the caller decodes the trap, lends memory and console as a [`Guest`], and says what time it is.
//!
//! ## Not modelled
//! - Files, except the console `:tt` and the feature file `:semihosting-features`: a guest sees no host path.
//!   SYS_REMOVE, SYS_RENAME, SYS_TMPNAM and SYS_SYSTEM fail.
//! - SYS_READC and SYS_READ do not wait: without input they return -1 and "end of file".
//! - angel_SWIreason_EnterSVC and other operations of old debug monitors: [`Outcome::Unsupported`].

use emu_core::Time;
use serde::{Deserialize, Serialize};

/// Operation numbers, section 5.
mod op {
    pub(super) const SYS_OPEN: u64 = 0x01;
    pub(super) const SYS_CLOSE: u64 = 0x02;
    pub(super) const SYS_WRITEC: u64 = 0x03;
    pub(super) const SYS_WRITE0: u64 = 0x04;
    pub(super) const SYS_WRITE: u64 = 0x05;
    pub(super) const SYS_READ: u64 = 0x06;
    pub(super) const SYS_READC: u64 = 0x07;
    pub(super) const SYS_ISERROR: u64 = 0x08;
    pub(super) const SYS_ISTTY: u64 = 0x09;
    pub(super) const SYS_SEEK: u64 = 0x0a;
    pub(super) const SYS_FLEN: u64 = 0x0c;
    pub(super) const SYS_TMPNAM: u64 = 0x0d;
    pub(super) const SYS_REMOVE: u64 = 0x0e;
    pub(super) const SYS_RENAME: u64 = 0x0f;
    pub(super) const SYS_CLOCK: u64 = 0x10;
    pub(super) const SYS_TIME: u64 = 0x11;
    pub(super) const SYS_SYSTEM: u64 = 0x12;
    pub(super) const SYS_ERRNO: u64 = 0x13;
    pub(super) const SYS_GET_CMDLINE: u64 = 0x15;
    pub(super) const SYS_HEAPINFO: u64 = 0x16;
    pub(super) const SYS_EXIT: u64 = 0x18;
    pub(super) const SYS_EXIT_EXTENDED: u64 = 0x20;
    pub(super) const SYS_ELAPSED: u64 = 0x30;
    pub(super) const SYS_TICKFREQ: u64 = 0x31;
}

/// The reason code of SYS_EXIT that means success, section 5.6.
const ADP_STOPPED_APPLICATION_EXIT: u64 = 0x20026;

/// The contents of `:semihosting-features`, section 6: magic, then SH_EXT_EXIT_EXTENDED and
/// SH_EXT_STDOUT_STDERR.
const FEATURES: &[u8] = b"SHFB\x03";

/// SYS_ELAPSED counts nanoseconds.
const TICK_FREQ: u64 = 1_000_000_000;

/// The file numbers that SYS_OPEN gives out.
mod handle {
    pub(super) const STDIN: u64 = 1;
    pub(super) const STDOUT: u64 = 2;
    pub(super) const STDERR: u64 = 3;
    pub(super) const FEATURES: u64 = 4;
}

/// `errno` numbers as newlib has them.
mod errno {
    pub(super) const ENOENT: u32 = 2;
    pub(super) const EBADF: u32 = 9;
    pub(super) const EFAULT: u32 = 14;
    pub(super) const EINVAL: u32 = 22;
    pub(super) const ESPIPE: u32 = 29;
    pub(super) const ENOSYS: u32 = 88;
}

/// What a call may touch.
pub trait Guest {
    /// Reads memory; returns how many bytes, from the first on, could be read.
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize;
    /// Writes memory; `false` if not all of it could be written.
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool;
    /// Console output.
    fn put(&mut self, bytes: &[u8]);
    /// The next byte of console input, if there is one.
    fn get(&mut self) -> Option<u8>;
}

/// Where SYS_HEAPINFO says that heap and stack are; zero where the guest is to find out by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapInfo {
    /// Start of the heap.
    pub heap_base: u64,
    /// Its end.
    pub heap_limit: u64,
    /// Where the stack starts, at its top.
    pub stack_base: u64,
    /// How far down it may grow.
    pub stack_limit: u64,
}

/// What the world looks like to one call.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// Bytes in a field of a parameter block: 4 or 8.
    pub word: usize,
    /// The virtual time.
    pub now: Time,
    /// Seconds since 1970 at virtual time zero.
    pub epoch: u64,
    /// What SYS_GET_CMDLINE returns.
    pub cmdline: &'a str,
    /// What SYS_HEAPINFO returns.
    pub heap: HeapInfo,
}

/// What to do after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Put this into the result register and go on.
    Value(u64),
    /// The guest is done, with this exit code.
    Exit(u32),
    /// There is no such operation: count a guest error, return -1 and go on.
    Unsupported(u64),
}

/// What lasts from call to call. Part of a node's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Semihost {
    errno: u32,
    /// Read position in the feature file.
    features_at: u64,
}

/// An error number for SYS_ERRNO; the call returns -1.
struct Failed(u32);

type Result = std::result::Result<u64, Failed>;

impl Semihost {
    /// Carries out operation `op` with parameter `arg`, the values of the two semihosting registers.
    pub fn call(&mut self, op: u64, arg: u64, env: &Env, guest: &mut dyn Guest) -> Outcome {
        let mut call = Call { state: self, arg, env, guest };
        let result = match op {
            op::SYS_EXIT => return call.exit(false),
            op::SYS_EXIT_EXTENDED => return call.exit(true),
            op::SYS_OPEN => call.open(),
            op::SYS_CLOSE => call.file().map(|_| 0),
            op::SYS_WRITEC => call.writec(),
            op::SYS_WRITE0 => call.write0(),
            op::SYS_WRITE => call.write(),
            op::SYS_READ => call.read(),
            op::SYS_READC => Ok(call.guest.get().map_or(u64::MAX, u64::from)),
            op::SYS_ISERROR => call.is_error(),
            op::SYS_ISTTY => call.file().map(|file| u64::from(file != handle::FEATURES)),
            op::SYS_SEEK => call.seek(),
            op::SYS_FLEN => call.length(),
            op::SYS_REMOVE | op::SYS_RENAME | op::SYS_TMPNAM => Err(Failed(errno::ENOENT)),
            op::SYS_SYSTEM => Err(Failed(errno::ENOSYS)),
            op::SYS_CLOCK => Ok(env.now.0 / (TICK_FREQ / 100)),
            op::SYS_TIME => Ok(env.epoch.wrapping_add(env.now.0 / TICK_FREQ)),
            op::SYS_ERRNO => Ok(u64::from(call.state.errno)),
            op::SYS_GET_CMDLINE => call.cmdline(),
            op::SYS_HEAPINFO => call.heap_info(),
            op::SYS_ELAPSED => call.store(arg, &env.now.0.to_le_bytes()),
            op::SYS_TICKFREQ => Ok(TICK_FREQ),
            other => return Outcome::Unsupported(other),
        };
        let mask = if env.word == 8 { u64::MAX } else { u64::from(u32::MAX) };
        match result {
            Ok(value) => Outcome::Value(value & mask),
            Err(Failed(errno)) => {
                self.errno = errno;
                Outcome::Value(mask)
            }
        }
    }
}

struct Call<'a, 'e> {
    state: &'a mut Semihost,
    arg: u64,
    env: &'a Env<'e>,
    guest: &'a mut dyn Guest,
}

impl Call<'_, '_> {
    /// Field `n` of the parameter block.
    fn field(&mut self, n: u64) -> Result {
        let word = self.env.word.min(8);
        let mut bytes = [0; 8];
        let addr = self.arg.wrapping_add(n * word as u64);
        if self.guest.read_mem(addr, &mut bytes[..word]) < word {
            return Err(Failed(errno::EFAULT));
        }
        Ok(u64::from_le_bytes(bytes))
    }

    fn store(&mut self, addr: u64, bytes: &[u8]) -> Result {
        if self.guest.write_mem(addr, bytes) { Ok(0) } else { Err(Failed(errno::EFAULT)) }
    }

    /// The open file that field 0 names.
    fn file(&mut self) -> Result {
        match self.field(0)? {
            file @ handle::STDIN..=handle::FEATURES => Ok(file),
            _ => Err(Failed(errno::EBADF)),
        }
    }

    fn open(&mut self) -> Result {
        let (name, mode, len) = (self.field(0)?, self.field(1)?, self.field(2)?);
        let mut bytes = [0; 32];
        // A longer name is none of ours.
        let len = usize::try_from(len).ok().filter(|&len| len <= bytes.len()).ok_or(Failed(errno::ENOENT))?;
        if self.guest.read_mem(name, &mut bytes[..len]) < len {
            return Err(Failed(errno::EFAULT));
        }
        // Section 5.16, SYS_OPEN: modes 0-3 read, 4-7 write, 8-11 append; on `:tt` these are the three streams.
        match (&bytes[..len], mode) {
            (b":tt", 0..=3) => Ok(handle::STDIN),
            (b":tt", 4..=7) => Ok(handle::STDOUT),
            (b":tt", 8..=11) => Ok(handle::STDERR),
            (b":semihosting-features", 0 | 1) => {
                self.state.features_at = 0;
                Ok(handle::FEATURES)
            }
            (b":tt" | b":semihosting-features", _) => Err(Failed(errno::EINVAL)),
            _ => Err(Failed(errno::ENOENT)),
        }
    }

    fn writec(&mut self) -> Result {
        let mut byte = [0];
        if self.guest.read_mem(self.arg, &mut byte) == 0 {
            return Err(Failed(errno::EFAULT));
        }
        self.guest.put(&byte);
        Ok(0)
    }

    /// A string up to its NUL, or to the end of memory.
    fn write0(&mut self) -> Result {
        let mut addr = self.arg;
        loop {
            let mut chunk = [0; 64];
            let n = self.guest.read_mem(addr, &mut chunk);
            let end = chunk[..n].iter().position(|&b| b == 0);
            self.guest.put(&chunk[..end.unwrap_or(n)]);
            match addr.checked_add(n as u64) {
                Some(next) if end.is_none() && n == chunk.len() => addr = next,
                _ if end.is_some() => return Ok(0),
                _ => return Err(Failed(errno::EFAULT)),
            }
        }
    }

    /// Returns how many bytes were not written.
    fn write(&mut self) -> Result {
        let (file, mut addr, mut left) = (self.file()?, self.field(1)?, self.field(2)?);
        if file != handle::STDOUT && file != handle::STDERR {
            return Err(Failed(errno::EBADF));
        }
        while left > 0 {
            let mut chunk = [0; 256];
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let n = self.guest.read_mem(addr, &mut chunk[..want]);
            self.guest.put(&chunk[..n]);
            left -= n as u64;
            match addr.checked_add(n as u64) {
                Some(next) if n == want => addr = next,
                _ => break,
            }
        }
        Ok(left)
    }

    /// Returns how many bytes were not read; all of them mean end of file.
    fn read(&mut self) -> Result {
        let (file, mut addr, mut left) = (self.file()?, self.field(1)?, self.field(2)?);
        while left > 0 {
            let byte = match file {
                handle::STDIN => self.guest.get(),
                handle::FEATURES => self.feature(),
                _ => return Err(Failed(errno::EBADF)),
            };
            let Some(byte) = byte else { break };
            self.store(addr, &[byte])?;
            (addr, left) = (addr.wrapping_add(1), left - 1);
        }
        Ok(left)
    }

    fn feature(&mut self) -> Option<u8> {
        let byte = FEATURES.get(usize::try_from(self.state.features_at).ok()?)?;
        self.state.features_at += 1;
        Some(*byte)
    }

    /// Field 0 is a status: negative is an error.
    fn is_error(&mut self) -> Result {
        let status = self.field(0)?;
        Ok(status >> (self.env.word.clamp(1, 8) * 8 - 1) & 1)
    }

    fn seek(&mut self) -> Result {
        if self.file()? != handle::FEATURES {
            return Err(Failed(errno::ESPIPE));
        }
        self.state.features_at = self.field(1)?;
        Ok(0)
    }

    fn length(&mut self) -> Result {
        if self.file()? == handle::FEATURES { Ok(FEATURES.len() as u64) } else { Err(Failed(errno::ESPIPE)) }
    }

    /// Fills the buffer and sets its length, which does not count the NUL.
    fn cmdline(&mut self) -> Result {
        let (buffer, size) = (self.field(0)?, self.field(1)?);
        let mut line = self.env.cmdline.as_bytes().to_vec();
        line.push(0);
        if line.len() as u64 > size {
            return Err(Failed(errno::EINVAL));
        }
        self.store(buffer, &line)?;
        let len = (line.len() as u64 - 1).to_le_bytes();
        let word = self.env.word.min(8);
        self.store(self.arg.wrapping_add(word as u64), &len[..word])
    }

    fn heap_info(&mut self) -> Result {
        let (block, word) = (self.field(0)?, self.env.word.min(8));
        let HeapInfo { heap_base, heap_limit, stack_base, stack_limit } = self.env.heap;
        let fields = [heap_base, heap_limit, stack_base, stack_limit];
        let bytes: Vec<u8> = fields.iter().flat_map(|f| f.to_le_bytes().into_iter().take(word)).collect();
        self.store(block, &bytes)
    }

    /// AArch32's SYS_EXIT has the reason in the register itself, the others a block of reason and exit code.
    fn exit(&mut self, extended: bool) -> Outcome {
        let plain = self.env.word == 4 && !extended;
        let (reason, code) = if plain {
            (self.arg, 0)
        } else {
            match (self.field(0), self.field(1)) {
                (Ok(reason), Ok(code)) => (reason, code),
                // It cannot go on, whatever the reason was.
                _ => return Outcome::Exit(1),
            }
        };
        Outcome::Exit(if reason == ADP_STOPPED_APPLICATION_EXIT { code as u32 } else { 1 })
    }
}
