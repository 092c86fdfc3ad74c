//! `automend trace`.
#![allow(dead_code)]
mod recording;
