//! Compiled code changes nothing but the time a run takes: whole machines with both engines.

mod debug;
mod guests;
mod images;
mod rewrites;
