//! How the program ends.

use fleet_host::{InputError, signals::Signal};

/// Exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// All went as wanted.
    Ok = 0,
    /// The guest ended itself with an error, or an expectation failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// An image, a machine, a file, a port or an engine cannot be used.
    BadInput = 3,
    /// Time ran out before what was waited for.
    TimeOut = 4,
    /// A guest's CPU locked up.
    Lockup = 5,
    /// The digest is not the expected one.
    Digest = 6,
    /// This build of the program lacks what is asked for.
    NotBuilt = 7,
    /// SIGHUP came before the end.
    HungUp = 129,
    /// SIGINT came before the end.
    Interrupted = 130,
    /// SIGQUIT came before the end.
    Quit = 131,
    /// SIGTERM came before the end.
    Terminated = 143,
}

impl From<Signal> for Code {
    fn from(signal: Signal) -> Code {
        match signal {
            Signal::HangUp => Code::HungUp,
            Signal::Quit => Code::Quit,
            Signal::Interrupt => Code::Interrupted,
            Signal::Terminate => Code::Terminated,
        }
    }
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

/// Why nothing was run: a message and a code.
#[derive(Debug)]
pub struct Failure {
    /// For the user.
    pub message: String,
    /// For the caller.
    pub code: Code,
}

impl Failure {
    /// The command line asks for something that makes no sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: Code::Usage }
    }
    /// Something named on the command line cannot be used.
    pub fn input(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: Code::BadInput }
    }
}

impl From<InputError> for Failure {
    fn from(e: InputError) -> Failure {
        Failure::input(e.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Failure {
        Failure::input(e.to_string())
    }
}
