//! Networks of real firmware: TCP/IP on a switch, a mesh of micro:bits on the radio.

#[path = "../slices/desk.rs"]
#[allow(dead_code)]
mod desk;
mod hasty;
mod mesh;
mod shipped;
#[path = "../slices/ways.rs"]
mod ways;
