//! Networks of real firmware: TCP/IP on a switch.

#[path = "../slices/desk.rs"]
#[allow(dead_code)]
mod desk;
mod shipped;
#[path = "../slices/ways.rs"]
mod ways;
