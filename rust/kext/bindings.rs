// SPDX-License-Identifier: GPL-2.0

//! Bindings that bindgen made from `rust/bindings/rlvs_bindings.h`.
//!
//! Not for use outside this crate. Types that the `kernel` crate's bindings have are theirs.
//!
//! Upstream: none; the `kernel` crate generates its own bindings from its own headers.

#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    rustdoc::all,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

include!(concat!(
    env!("RLVS_OBJ"),
    "/rust/bindings/bindings_generated.rs"
));
